"""Which labels are taken for which: pairs of one that was missed and one that was wrongly given. Pure NumPy."""

from __future__ import annotations

import collections
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# Pairs of a paper and a label that are looked at at a time.
_PAIRS = 1 << 20


class Confusion(NamedTuple):
    """A label that papers have and did not get, and one that they got and do not have.

    Attributes:
        label, given: their numbers.
        papers: with both.
        of: papers that have `label`.
    """

    label: int
    given: int
    papers: int
    of: int


class Confusions:
    """Counts pairs of labels over batches of papers.

    A paper with several missed labels and several wrong ones counts for each pair of them: which stood in for which
    cannot be told. Only pairs that occur take memory: a few for each label, were it half of all pairs for a model that
    is of no use.

    >>> confusions = Confusions([.5, .5, .5])
    >>> confusions.add(np.array([[1, 0, 0], [1, 0, 0]]), np.array([[.1, .9, 0], [.2, .8, .9]], np.float32))
    >>> [tuple(pair) for pair in confusions.most_frequent(1)]
    [(0, 1, 2, 2)]
    """

    def __init__(self, thresholds: npt.ArrayLike) -> None:
        self._thresholds = np.asarray(thresholds, np.float32)
        self._papers_with = np.zeros(len(self._thresholds), np.int64)
        # Number of the missed label * labels + number of the wrong one -> papers.
        self._pairs: collections.Counter[int] = collections.Counter()

    def add(self, truth: npt.ArrayLike, scores: npt.NDArray[np.float32]) -> None:
        """Counts a batch of papers.

        Args:
            truth: [papers, labels], 1 or True where the label applies.
            scores: float32 [papers, labels].
        """
        applies = np.asarray(truth) != 0
        self._papers_with += np.count_nonzero(applies, axis=0)
        at_a_time = max(_PAIRS // len(self._thresholds), 1)
        for start in range(0, len(applies), at_a_time):
            some = slice(start, start + at_a_time)
            given = scores[some] >= self._thresholds
            self._count(applies[some] & ~given, given & ~applies[some])

    def _count(self, missed: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_]) -> None:
        papers, labels = np.nonzero(missed)
        _, wrong_labels = np.nonzero(wrong)
        ends = np.cumsum(np.count_nonzero(wrong, axis=1))
        # How many wrong labels each missed one has beside it, and where those are in the list.
        partners = np.count_nonzero(wrong, axis=1)[papers]
        places = np.arange(partners.sum()) - np.repeat(np.cumsum(partners) - ends[papers], partners)
        codes = np.repeat(labels, partners) * missed.shape[1] + wrong_labels[places]
        self._pairs.update(dict(zip(*(column.tolist() for column in np.unique_counts(codes)), strict=True)))

    def most_frequent(self, number: int) -> list[Confusion]:
        """Lists the pairs that most papers have; of equally frequent ones those with the lower numbers come first."""
        pairs = sorted(self._pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:number]
        found = ((*divmod(code, len(self._thresholds)), papers) for code, papers in pairs)
        return [Confusion(label, given, papers, int(self._papers_with[label])) for label, given, papers in found]
