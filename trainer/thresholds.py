"""From which score on a label is given to a paper. Pure NumPy.

Scores are counted on a fixed grid, so that choosing a threshold needs neither the papers nor their scores: bin `i` of
`GRID` holds the scores `s` with `GRID[i] <= s < GRID[i + 1]` (the last one holds 1.0), all in float32, as the exported
model compares them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 1000
GRID: npt.NDArray[np.float32] = (np.arange(BINS + 1) / BINS).astype(np.float32)

Counts = npt.NDArray[np.int64]


def grid_bins(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Finds the bin of `GRID` that each score falls into.

    Args:
        scores: float32 of any shape, each between 0 and 1.

    Returns:
        int64 of the same shape, from 0 to `BINS`: `scores >= GRID[i]` exactly where the bin is at least `i`.

    >>> grid_bins(np.array([0, 0.0005, 0.25, 1], np.float32)).tolist()
    [0, 0, 250, 1000]
    """
    bins = (scores * BINS).astype(np.int64)
    # The product is rounded, so it can be one bin off on either side.
    bins -= scores < GRID[bins]
    bins += (bins < BINS) & (scores >= GRID[np.minimum(bins + 1, BINS)])
    return bins


def best_micro_f1(positives: Counts, scored: Counts) -> tuple[float, float]:
    """Finds the single threshold with the highest micro-averaged F1.

    micro F1 = 2 TP / (2 TP + FP + FN) = 2 TP / (labels given + labels that apply), over all papers and labels at once.

    Args:
        positives: [BINS + 1], how many (paper, label) pairs that apply have a score in each bin.
        scored: [BINS + 1], how many (paper, label) pairs have a score in each bin.

    Returns:
        The F1 and its threshold, one of `GRID[1:]`; the lowest of several equally good ones. Where nothing applies,
        F1 is 0 and the threshold 0.5.

    >>> positives, scored = np.zeros((2, BINS + 1), np.int64)
    >>> positives[[300, 800]] = 1, 1
    >>> scored[[300, 500, 800]] = 1, 1, 1
    >>> best_micro_f1(positives, scored)
    (0.8, 0.001)
    """
    applying = int(positives.sum())
    if not applying:
        return 0.0, 0.5
    true_positives = np.cumsum(positives[::-1])[::-1]
    given = np.cumsum(scored[::-1])[::-1]
    f1 = 2 * true_positives / (given + applying)
    best = 1 + int(np.argmax(f1[1:]))
    return float(f1[best]), best / BINS


def global_thresholds(positives: Counts, scored: Counts, labels: int) -> npt.NDArray[np.float32]:
    """Gives every label the single threshold that is best for micro-F1 on the papers that were counted.

    Args:
        positives: as in `best_micro_f1`.
        scored: as in `best_micro_f1`.
        labels: number of labels.

    Returns:
        float32 [labels]; a label is given where its score is at least its threshold.
    """
    _, threshold = best_micro_f1(positives, scored)
    return np.full(labels, threshold, np.float32)
