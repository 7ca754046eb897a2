"""Measures our exported model from raw text, through its `predict_all` signature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from figures import Scored, figures, parser, write
from prepared import Prepared, read_papers

from pipeline.tagger import newest_export
from schemas import features, outputs

_BATCH = 256


def main() -> None:
    """Runs the measurement."""
    flags = parser(__doc__)
    flags.add_argument('--input', action='append', required=True)
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--model_dir', required=True)
    arguments = flags.parse_args()

    prepared = Prepared.of(arguments.data_dir)
    papers = read_papers(arguments.input)
    served = tf.saved_model.load(newest_export(arguments.model_dir).path)
    predict_all = served.signatures[features.PREDICT_ALL_SIGNATURE]

    def scored(split: str) -> Scored:
        ids, applies = prepared.ids_and_labels(split)
        scores: list[npt.NDArray[np.float32]] = []
        for start in range(0, len(ids), _BATCH):
            batch = [papers[id_] for id_ in ids[start : start + _BATCH]]
            titles, abstracts = [paper.title for paper in batch], [paper.abstract for paper in batch]
            answer = predict_all(title=tf.constant(titles), abstract=tf.constant(abstracts))
            scores.append(answer[features.PROBABILITIES].numpy())
        return Scored(ids, applies, np.concatenate(scores))

    result = figures(scored('validation'), scored('test'))
    trained = outputs.read_json(outputs.join(arguments.model_dir, features.METRICS_FILE))
    write(arguments.result, result | {'trained': trained})


if __name__ == '__main__':
    main()
