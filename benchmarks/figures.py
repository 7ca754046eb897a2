"""One and the same measurement for every method."""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from prepared import digest

from trainer.metrics import StreamingMetrics
from trainer.thresholds import best_micro_f1

_RANKING = ('precision_at_1', 'precision_at_3', 'precision_at_5', 'ndcg_at_5')


@dataclasses.dataclass(frozen=True)
class Scored:
    """Papers with their labels (bool [papers, labels]) and a method's scores (float32, the same shape, 0 to 1)."""

    ids: Sequence[str]
    applies: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]

    def at(self, threshold: float) -> StreamingMetrics:
        """Measures with one threshold for all labels."""
        labels = self.applies.shape[1]
        metrics = StreamingMetrics(labels, np.full(labels, threshold, np.float32))
        metrics.add(self.applies, self.scores)
        return metrics


def figures(validation: Scored, test: Scored) -> dict[str, Any]:
    """Measures a method on the test papers.

    Returns:
        precision_at_1, _3, _5, ndcg_at_5; micro_f1_best and macro_f1_at_best, at the single threshold that is best for
        micro-F1 on the test papers themselves, a ceiling that no user reaches; micro_f1 and macro_f1, at the single
        threshold that is best on the validation papers; papers, and digests of the two sets of papers.
    """
    counts = test.at(0.5)
    _, best_threshold = best_micro_f1(counts.positives, counts.scored)
    chosen = validation.at(0.5)
    _, threshold = best_micro_f1(chosen.positives, chosen.scored)
    ranking, best, usual = counts.result(), test.at(best_threshold).result(), test.at(threshold).result()
    return {
        **{name: ranking[name] for name in _RANKING},
        'micro_f1_best': ranking['micro_f1_best'],
        'macro_f1_at_best': best['macro_f1'],
        'micro_f1': usual['micro_f1'],
        'macro_f1': usual['macro_f1'],
        'validation_ndcg_at_5': chosen.result()['ndcg_at_5'],
        'papers': ranking['papers'],
        'validation_papers': digest(validation.ids),
        'test_papers': digest(test.ids),
    }


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the flag that each measuring program has: the file for what it measured."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument('--result', required=True, type=pathlib.Path, metavar='FILE', help='JSON file for the result')
    return result


def write(path: pathlib.Path, result: dict[str, Any]) -> None:
    """Writes what a program measured, for quality.py to collect."""
    path.write_text(json.dumps(result, indent=2) + '\n', 'utf-8')
