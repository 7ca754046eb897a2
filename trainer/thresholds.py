"""From which score on a label is given to a paper. Pure NumPy.

Thresholds are chosen from counts of scores by bin, see `histograms`: neither the papers nor their scores are needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trainer.histograms import GRID, MEAN_SCORES, Counts, LabelHistograms, from_each_bin_on

# As many papers that have a label count as much as what the model expects of the label.
SHRINKAGE_PAPERS = 30.0

# How far each label goes from the single threshold towards its own, in log odds.
SHARE_OF_OWN = 0.3


def best_micro_f1(positives: Counts, scored: Counts) -> tuple[float, float]:
    """Finds the single threshold with the highest micro-averaged F1.

    micro F1 = 2 TP / (2 TP + FP + FN) = 2 TP / (labels given + labels that apply), over all papers and labels at once.

    Args:
        positives: int64 [BINS], how many (paper, label) pairs that apply have a score in each bin.
        scored: int64 [BINS], how many (paper, label) pairs have a score in each bin.

    Returns:
        The F1 and its threshold, one of `GRID[1:]`; the lowest of several equally good ones. Where nothing applies,
        F1 is 0 and the threshold 0.5.

    >>> from trainer.histograms import LabelHistograms
    >>> histograms = LabelHistograms(3)
    >>> histograms.add(np.array([[True, False, True]]), np.array([[.8, .5, .3]], np.float32))
    >>> best_micro_f1(*histograms.totals())
    (0.8, 7.62939453125e-06)
    """
    applying = int(positives.sum())
    if not applying:
        return 0.0, 0.5
    f1 = 2 * from_each_bin_on(positives) / (from_each_bin_on(scored) + applying)
    best = 1 + int(np.argmax(f1[1:]))
    return float(f1[best]), float(GRID[best])


class Thresholds(NamedTuple):
    """The thresholds in use, and how they came about.

    Attributes:
        method: one of `config.THRESHOLDS`.
        by_label: float32 [labels]; a label is given where its score is at least its threshold.
        single: the one that is best for micro-F1.
    """

    method: str
    by_label: npt.NDArray[np.float32]
    single: float


def choose_thresholds(histograms: LabelHistograms, method: str) -> Thresholds:
    """Chooses the thresholds of all labels from the papers that were counted.

    `single` gives each label the threshold that is best for micro-F1. `per_label` goes from there, for each label,
    `SHARE_OF_OWN` of the way to its `own_threshold`, in log odds: the thresholds that are best label by label lift
    macro-F1, but are too low for micro-F1; a part of the way gains much of the one and costs little of the other.

    Args:
        histograms: scores of validation papers.
        method: one of `config.THRESHOLDS`.
    """
    _, single = best_micro_f1(*histograms.totals())
    labels = len(histograms)
    if method == 'single':
        return Thresholds(method, np.full(labels, single, np.float32), single)
    own = np.array([own_threshold(*histograms[label]) or single for label in range(labels)])
    log_odds = SHARE_OF_OWN * _log_odds(own) + (1 - SHARE_OF_OWN) * _log_odds(np.array(single))
    return Thresholds(method, (1 / (1 + np.exp(-log_odds))).astype(np.float32), single)


def own_threshold(positives: Counts, scored: Counts) -> float | None:
    """Finds the threshold that is best for the F1 of one label, also where few papers have it.

    The best threshold on 5 papers says little about others (Yang, 2001, "A study of thresholding strategies", calls it
    overfitting and takes another rule for rare labels). Here the counts are shrunk towards what the model itself
    expects, namely that a share s of the papers with score s has the label; n papers that have it stand against
    `SHRINKAGE_PAPERS`, as in an empirical Bayes estimate:

        TP(t) = sum over papers with score s >= t of  w * applies + (1 - w) * s,  w = n / (n + SHRINKAGE_PAPERS)

    and F1(t) = 2 TP(t) / (papers given the label + papers that have it) is maximized for these. For n = 0 that is the
    threshold of Lipton, Elkan and Naryanaswamy (2014): half of the best F1 that can be expected of calibrated scores.

    Args:
        positives: int64 [BINS], papers that have the label, by the bin of their score.
        scored: int64 [BINS], all papers.

    Returns:
        One of `GRID[1:]`, the lowest of equally good ones; None without papers.
    """
    n = int(positives.sum())
    weight = n / (n + SHRINKAGE_PAPERS)
    found = from_each_bin_on(weight * positives + (1 - weight) * scored * MEAN_SCORES)
    if not scored.any():
        return None
    f1 = 2 * found / (from_each_bin_on(scored) + found[0])
    return float(GRID[1 + int(np.argmax(f1[1:]))])


def _log_odds(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.log(probabilities) - np.log1p(-probabilities)
