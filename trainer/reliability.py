"""How well scores are probabilities: the share of what applies among pairs of about the same score. Pure NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trainer.fixed_point import UNITS, units

BINS = 15

# Units are added up in two halves, for float64 sums of whole numbers are exact up to 2^53.
_HALF_OF_UNITS = 20


class ReliabilityBin(NamedTuple):
    """A row of a reliability diagram.

    Attributes:
        lower_edge: scores from here to 1/15 more are in the bin; those of 1 are in the last one.
        pairs: how many scores are.
        mean_score: their mean, which is None where there are none.
        share: share of them that belong to labels that apply; None where there are none.
    """

    lower_edge: float
    pairs: int
    mean_score: float | None
    share: float | None


class Reliability:
    """Counts (paper, label) pairs in 15 bins of equal width, by score.

    >>> reliability = Reliability()
    >>> reliability.add(np.array([True, False]), np.array([.75, .25], np.float32))
    >>> reliability.expected_calibration_error()
    0.25
    """

    def __init__(self) -> None:
        self._pairs = np.zeros(BINS, np.int64)
        self._applying = np.zeros(BINS, np.int64)
        # In units, as Python's integers: a few million scores of 1 would overflow int64.
        self._scores = np.zeros(BINS, object)

    def add(self, applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> None:
        """Counts up to 2^32 pairs: whether the label applies, and its score between 0 and 1, of any equal shape."""
        exact = scores.ravel().astype(np.float64)
        # A product of 24 and 4 binary digits is exact in float64.
        bins = np.minimum((exact * BINS).astype(np.int64), BINS - 1)
        whole = units(exact)
        high = np.bincount(bins, whole >> _HALF_OF_UNITS, BINS).astype(np.int64).astype(object)
        low = np.bincount(bins, whole & ((1 << _HALF_OF_UNITS) - 1), BINS).astype(np.int64).astype(object)
        self._scores += (high << _HALF_OF_UNITS) + low
        self._pairs += np.bincount(bins, minlength=BINS)
        self._applying += np.bincount(bins[applies.ravel()], minlength=BINS)

    def merge(self, other: Reliability) -> None:
        """Adds the counts of `other`."""
        self._pairs += other._pairs
        self._applying += other._applying
        self._scores += other._scores

    def rows(self) -> list[ReliabilityBin]:
        """Returns the 15 bins, the lowest first."""
        return [
            ReliabilityBin(number / BINS, pairs, scores / UNITS / pairs, applying / pairs)
            if pairs
            else ReliabilityBin(number / BINS, 0, None, None)
            for number, (pairs, applying, scores) in enumerate(self._columns())
        ]

    def expected_calibration_error(self) -> float | None:
        """Computes the mean over pairs of |mean score - share that applies| of the pair's bin; None without pairs.

        ECE = sum over bins of (pairs of the bin / pairs) |share - mean score| (Guo et al., "On calibration of modern
        neural networks", 2017).
        """
        errors = sum(abs(int(applying * UNITS) - scores) for _, applying, scores in self._columns())
        pairs = int(self._pairs.sum())
        return errors / UNITS / pairs if pairs else None

    def _columns(self) -> Any:
        return zip(self._pairs.tolist(), self._applying.tolist(), self._scores.tolist(), strict=True)
