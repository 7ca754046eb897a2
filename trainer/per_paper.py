"""What each paper adds to the figures: whole numbers, whose sums over papers figures are computed from. Pure NumPy.

The same numbers, summed over all papers, make metrics.json, and summed over resampled papers its intervals.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from trainer import ranking
from trainer.fixed_point import UNITS, units

# Name -> int64 [papers].
Addends = dict[str, npt.NDArray[np.int64]]


def addends(
    applies: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float32],
    thresholds: npt.NDArray[np.float32],
    propensities: npt.NDArray[np.float32],
) -> Addends:
    """Computes what each paper adds to the sums that `figures` needs.

    Args:
        applies: [papers, labels], whether the label applies; to each paper at least one.
        scores: [papers, labels], each between 0 and 1.
        thresholds: [labels]; a label is given where its score is at least its threshold.
        propensities: [labels], above 0.
    """
    given = scores >= thresholds
    found, relevant = np.count_nonzero(given & applies, axis=1), np.count_nonzero(applies, axis=1)
    answered = np.count_nonzero(given, axis=1)
    errors = scores.astype(np.float64) - applies
    return {
        'found': found.astype(np.int64),
        'answered': answered.astype(np.int64),
        'relevant': relevant.astype(np.int64),
        'example_f1': units(2 * found / (answered + relevant)),
        'all_right': ((found == answered) & (found == relevant)).astype(np.int64),
        'squared_errors': units(errors * errors).sum(axis=1),
        'cross_entropy': units(cross_entropy(applies, scores)).sum(axis=1),
        **ranking.addends_at_k(applies, scores, propensities),
        **ranking.addends_of_ranks(applies, scores),
    }


def totals(each: Addends) -> dict[str, int]:
    """Sums over papers.

    >>> totals({'found': np.array([1, 2])})
    {'found': 3}
    """
    return {name: int(values.sum()) for name, values in each.items()}


def figures(sums: Mapping[str, int], papers: int, labels: int) -> dict[str, float]:
    """Computes the figures of `StreamingMetrics.result` that follow from sums of `addends`.

    Args:
        sums: over `papers` papers, at least one.
        papers: how many.
        labels: how many labels each score was asked of.
    """
    wrong = sums['answered'] + sums['relevant'] - 2 * sums['found']
    return {
        **ranking.figures_at_k(sums, papers),
        **ranking.figures_of_ranks(sums, papers),
        'micro_f1': 2 * sums['found'] / (sums['answered'] + sums['relevant']),
        'example_f1': sums['example_f1'] / UNITS / papers,
        'hamming_loss': wrong / (papers * labels),
        'subset_accuracy': sums['all_right'] / papers,
        'brier_score': sums['squared_errors'] / UNITS / (papers * labels),
        'log_loss': sums['cross_entropy'] / UNITS / (papers * labels),
    }


def cross_entropy(applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Computes the binary cross-entropy of each pair, with the natural logarithm; at most 16.2 of any.

    Args:
        applies: [papers, labels], whether the label applies.
        scores: [papers, labels], each between 0 and 1; taken to be 1e-7 away from both, as Keras does.

    Returns:
        [papers, labels].
    """
    right = np.where(applies, scores.astype(np.float64), 1 - scores.astype(np.float64))
    return -np.log(np.clip(right, 1e-7, 1 - 1e-7))
