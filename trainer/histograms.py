"""How the scores of each label are distributed: whatever depends on a threshold follows from it. Pure NumPy.

Scores are counted in the bins of a fixed grid: bin `i` holds the scores `s` with `GRID[i] <= s < GRID[i + 1]`, the last
one those from `GRID[-1]` on, all in float32, as the exported model compares scores with thresholds. The grid divides
each range from 2^-n to 2^-(n-1) below 1/2 into 32 equal steps, down to 2^-17 = 0.0000076, and mirrors them above 1/2.
That is about uniform in log odds, where the scores of rare labels differ, and steps are at most 1/128 wide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trainer import reliability

Counts = npt.NDArray[np.int64]

# The bits of a positive float32 are its exponent and 23 digits: without the last 18, they number the steps in order.
_SHIFT = 18
_LOWEST = (127 - 17) << 5  # of 2^-17
_HALF = (127 - 1) << 5  # of 1/2
_BELOW = (np.arange(_LOWEST, _HALF + 1, dtype=np.int32) << _SHIFT).view(np.float32)

GRID: npt.NDArray[np.float32] = np.concatenate([np.zeros(1, np.float32), _BELOW, 1 - _BELOW[-2::-1]])
BINS = len(GRID)
# The bin that begins at 1/2.
HALF = 1 + _HALF - _LOWEST

# float64 [BINS], what the scores of a bin are on average if they are spread evenly over it, and the log odds of that.
MEAN_SCORES: npt.NDArray[np.float64] = (GRID.astype(np.float64) + np.append(GRID[1:], 1.0)) / 2
LOG_ODDS: npt.NDArray[np.float64] = np.log(MEAN_SCORES) - np.log1p(-MEAN_SCORES)

# Mean scores are whole numbers of 2^-23: summed as such they are exact, and so in any order.
_SCORE_UNITS = 1 << 23
_MEAN_SCORES_IN_UNITS: Counts = (MEAN_SCORES * _SCORE_UNITS).astype(np.int64)
# int64 [reliability.BINS], the first bin of the grid in each bin of a reliability diagram.
_RELIABILITY_BINS = np.searchsorted(MEAN_SCORES, np.arange(reliability.BINS) / reliability.BINS)

# Cells of the histograms that are looked at at a time: 8 MB of int64.
_CELLS = 1 << 20


def grid_bins(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Finds the bin of `GRID` that each score falls into.

    Args:
        scores: float32 of any shape, each between 0 and 1.

    Returns:
        int32 of the same shape, from 0 to `BINS - 1`: `scores >= GRID[i]` exactly where the bin is at least `i`.

    >>> grid_bins(np.array([0, 1e-6, 2**-17, .5, 1], np.float32)).tolist()
    [0, 0, 1, 513, 1025]
    """
    below = scores < 0.5
    # From 1/2 on, 1 - score is exact, and the steps end where those below 1/2 begin: they are rounded up.
    distance = np.where(below, scores, 1 - scores).view(np.int32)
    return np.where(
        below,
        np.maximum((distance >> _SHIFT) - _LOWEST + 1, 0),
        HALF + _HALF + np.minimum(-distance >> _SHIFT, -_LOWEST),
    )


def from_each_bin_on(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sums numbers over each bin and those above it; the bins are the last axis.

    >>> from_each_bin_on(np.array([5, 0, 2, 1])).tolist()
    [8, 3, 3, 1]
    """
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]


class LabelHistograms:
    """Counts scores by label and bin, up to 2^32 - 1 papers.

    In memory this takes 8 kB a label where scores fall; pickled, 8 bytes a bin that is not empty.

    >>> histograms = LabelHistograms(2)
    >>> histograms.add(np.array([[True, False]]), np.array([[.5, 0]], np.float32))
    >>> positives, scored = histograms[0]
    >>> positives.nonzero()[0].tolist(), scored.sum().tolist()
    ([513], 1)
    """

    def __init__(self, labels: int) -> None:
        # Pages that nothing is counted in take no memory.
        self._positives = np.zeros(labels * BINS, np.uint32)
        self._scored = np.zeros(labels * BINS, np.uint32)

    def __len__(self) -> int:
        return len(self._scored) // BINS

    def __getitem__(self, label: int) -> tuple[Counts, Counts]:
        """Returns `positives` and `scored` of a label.

        Returns:
            int64 [BINS], how many papers that have the label, and how many papers, have a score in each bin.
        """
        if not 0 <= label < len(self):
            raise IndexError(f'label {label} of {len(self)}')
        cells = slice(label * BINS, (label + 1) * BINS)
        return self._positives[cells].astype(np.int64), self._scored[cells].astype(np.int64)

    def add(self, applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> None:
        """Counts papers: which labels apply to them and their scores between 0 and 1, both [papers, labels]."""
        cells = grid_bins(scores) + np.arange(0, len(self._scored), BINS)
        np.add.at(self._scored, cells.ravel(), np.uint32(1))
        np.add.at(self._positives, cells[applies], np.uint32(1))

    def merge(self, other: LabelHistograms) -> None:
        """Adds the counts of `other`, which has as many labels."""
        for mine, its in ((self._positives, other._positives), (self._scored, other._scored)):
            cells = np.flatnonzero(its)
            mine[cells] += its[cells]

    def totals(self) -> tuple[Counts, Counts]:
        """Returns the sums of `positives` and of `scored` over labels, each int64 [BINS]."""
        by_label = (self._positives.reshape(-1, BINS), self._scored.reshape(-1, BINS))
        return by_label[0].sum(axis=0, dtype=np.int64), by_label[1].sum(axis=0, dtype=np.int64)

    def average_precisions(self) -> list[float | None]:
        """Computes the average precision of each label; None where no paper has it.

        AP = sum over bins, from the highest score down, of (rise of recall) x precision, as scikit-learn's
        `average_precision_score` computes it from scores that are rounded down to the grid. Scores in the same bin
        count as tied, which took .0015 off on average where it was tried (`tests/unit/test_histograms.py`).
        """
        averages: list[float | None] = []
        for positives, scored in self._blocks():
            labels, bins = np.nonzero(positives)
            found = from_each_bin_on(positives)
            precisions = found[labels, bins] / from_each_bin_on(scored)[labels, bins]
            # bincount adds one by one: no order of vector lanes, which another processor would choose otherwise.
            sums = np.bincount(labels, positives[labels, bins] * precisions, len(positives))
            averages += [total / n if n else None for total, n in zip(sums.tolist(), found[:, 0].tolist(), strict=True)]
        return averages

    def expected_calibration_errors(self) -> list[float | None]:
        """Computes the expected calibration error of each label; None without papers.

        As `reliability.Reliability` computes it, of the label's pairs alone, but from scores that are replaced by the
        mean of their bin of the grid, which is off by 1/256 at most.
        """
        errors: list[float | None] = []
        for positives, scored in self._blocks():
            # Up to 2^32 papers and scores of up to 2^23 units.
            scores = np.add.reduceat(scored * _MEAN_SCORES_IN_UNITS, _RELIABILITY_BINS, axis=1)
            applying = np.add.reduceat(positives, _RELIABILITY_BINS, axis=1) * _SCORE_UNITS
            sums, papers = np.abs(applying - scores).sum(axis=1), scored.sum(axis=1)
            errors += [
                error / _SCORE_UNITS / n if n else None for error, n in zip(sums.tolist(), papers.tolist(), strict=True)
            ]
        return errors

    def _blocks(self) -> Iterator[tuple[Counts, Counts]]:
        """Goes through `positives` and `scored` of some labels at a time, each [some labels, BINS]."""
        for start in range(0, len(self._scored), _CELLS // BINS * BINS):
            cells = slice(start, start + _CELLS // BINS * BINS)
            yield (
                self._positives[cells].reshape(-1, BINS).astype(np.int64),
                self._scored[cells].reshape(-1, BINS).astype(np.int64),
            )

    def __getstate__(self) -> tuple[int, list[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]]]:
        filled = [(np.flatnonzero(counts), counts) for counts in (self._positives, self._scored)]
        return len(self), [(cells.astype(np.uint32), counts[cells]) for cells, counts in filled]

    def __setstate__(self, state: tuple[int, list[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]]]) -> None:
        labels, filled = state
        LabelHistograms.__init__(self, labels)
        for mine, (cells, counts) in zip((self._positives, self._scored), filled, strict=True):
            mine[cells] = counts


class PrecisionRecall(NamedTuple):
    """A point of a precision-recall curve: a label is given from `threshold` on."""

    threshold: float
    precision: float
    recall: float


def precision_recall_curve(positives: Counts, scored: Counts) -> list[PrecisionRecall]:
    """Computes the points of a label's precision-recall curve where recall rises.

    Args:
        positives: int64 [BINS], papers that have the label, by the bin of their score.
        scored: int64 [BINS], all papers.

    Returns:
        A point for each bin that a paper with the label is in, thresholds falling. Recall ends at 1, where a paper has
        the label.

    >>> histograms = LabelHistograms(1)
    >>> histograms.add(np.array([[1], [0], [1]], bool), np.array([[.75], [.5], [.25]], np.float32))
    >>> [tuple(point) for point in precision_recall_curve(*histograms[0])]
    [(0.75, 1.0, 0.5), (0.25, 0.6666666666666666, 1.0)]
    """
    found, given = from_each_bin_on(positives), from_each_bin_on(scored)
    bins = np.flatnonzero(positives)[::-1]
    columns = (GRID[bins], found[bins] / given[bins], found[bins] / max(int(found[0]), 1))
    return [PrecisionRecall(*point) for point in zip(*(column.tolist() for column in columns), strict=True)]
