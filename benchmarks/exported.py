"""Measures our exported model from raw text, through its `predict_all` signature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from figures import Scored, paper_marks, parser, write
from prepared import ids_and_labels, read_papers

from pipeline.tagger import label_table, newest_export
from schemas import features
from trainer.metrics import StreamingMetrics
from trainer.prepared import open_prepared

_BATCH = 256


def main() -> None:
    """Runs the measurement."""
    flags = parser(__doc__)
    flags.add_argument('--input', action='append', required=True)
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--model_dir', required=True)
    arguments = flags.parse_args()

    prepared = open_prepared(arguments.data_dir)
    papers = read_papers(arguments.input)
    path = newest_export(arguments.model_dir).path
    served = tf.saved_model.load(path)
    predict_all = served.signatures[features.PREDICT_ALL_SIGNATURE]

    def probabilities(ids: list[str]) -> npt.NDArray[np.float32]:
        batch = [papers[id_] for id_ in ids]
        titles, abstracts = [paper.title for paper in batch], [paper.abstract for paper in batch]
        answer = predict_all(title=tf.constant(titles), abstract=tf.constant(abstracts))
        return answer[features.PROBABILITIES].numpy()

    scored = {}
    for split in ('validation', 'test'):
        ids, applies = ids_and_labels(prepared, split)
        scores = [probabilities(ids[start : start + _BATCH]) for start in range(0, len(ids), _BATCH)]
        # Probabilities have the order of logits, and paper_marks needs no more.
        scored[split] = Scored(ids, applies, np.concatenate(scores))
    table = label_table(path)
    metrics = StreamingMetrics(len(table.labels), table.thresholds, table.propensities)
    metrics.add(scored['test'].applies, scored['test'].logits)
    write(arguments.result, {'test': metrics.result()} | paper_marks(**scored))


if __name__ == '__main__':
    main()
