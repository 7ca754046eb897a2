"""Measures our exported model from raw text, through its `predict_all` signature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from figures import Scored, paper_marks, parser, write
from prepared import ids_and_labels, read_papers

from pipeline.exports import LoadedExport, newest_export
from pipeline.tagger import label_table
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
    export = newest_export(arguments.model_dir)
    model = LoadedExport(export)

    def probabilities(ids: list[str]) -> npt.NDArray[np.float32]:
        batch = [papers[id_] for id_ in ids]
        titles, abstracts = [paper.title.encode() for paper in batch], [paper.abstract.encode() for paper in batch]
        return model.call(features.PREDICT_ALL_SIGNATURE, titles, abstracts)[features.PROBABILITIES]

    scored = {}
    for split in ('validation', 'test'):
        ids, applies = ids_and_labels(prepared, split)
        scores = [probabilities(ids[start : start + _BATCH]) for start in range(0, len(ids), _BATCH)]
        # Probabilities have the order of logits, and paper_marks needs no more.
        scored[split] = Scored(ids, applies, np.concatenate(scores))
    table = label_table(export)
    metrics = StreamingMetrics(len(table.labels), table.thresholds, table.propensities)
    metrics.add(scored['test'].applies, scored['test'].logits)
    write(arguments.result, {'test': metrics.result()} | paper_marks(**scored))


if __name__ == '__main__':
    main()
