"""How far figures would move with other test papers: a bootstrap over papers that sees each paper once. Pure NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from trainer.per_paper import Addends

REPLICATES = 500
LEVEL = 0.95

# Papers that are drawn at a time: their weights take 2 MB.
_PAPERS = 512

# Addends are added up in two halves, as float64 sums of whole numbers below 2^53 are exact in whatever order.
_HALF = 20


class PoissonBootstrap:
    """Resamples papers while they stream by, in memory that does not depend on their number.

    The bootstrap draws n of n papers with replacement, so that a paper is drawn Binomial(n, 1/n) times. Here each paper
    is drawn Poisson(1) times in each replicate, independently of the others, so that neither n nor earlier papers need
    be known (Hanley and MacGibbon, "Creating non-parametric bootstrap samples using Poisson frequencies", 2006;
    Chamandy et al., "Estimating uncertainty for massive data streams", 2012). A replicate's number of papers then
    varies by the square root of n around n, which means and ratios divide out.

    The draws follow from the seed and the order of the papers, not from how they are batched.

    >>> bootstrap = PoissonBootstrap()
    >>> bootstrap.add({'right': np.ones(100, np.int64)})
    >>> bootstrap.intervals(lambda sums, papers: {'accuracy': sums['right'] / papers})
    {'accuracy': (1.0, 1.0)}
    """

    def __init__(self, replicates: int = REPLICATES, seed: int = 0) -> None:
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._papers = np.zeros(replicates, np.int64)
        # Name -> int64 [2, replicates], the sums of the upper and of the lower digits.
        self._sums: dict[str, npt.NDArray[np.int64]] = {}

    def add(self, addends: Addends) -> None:
        """Draws papers.

        Args:
            addends: what each paper adds to each sum, as whole numbers of at most 2^60 that are not negative; the same
                names each time.
        """
        columns = np.stack(list(addends.values()), axis=1)
        halves = np.concatenate([columns >> _HALF, columns & ((1 << _HALF) - 1)], axis=1).astype(np.float64)
        sums = np.zeros((halves.shape[1], len(self._papers)), np.int64)
        for start in range(0, len(halves), _PAPERS):
            some = halves[start : start + _PAPERS]
            times = self._random.poisson(1, (len(some), len(self._papers)))
            sums += (some.T @ times.astype(np.float64)).astype(np.int64)
            self._papers += times.sum(axis=0)
        for name, upper, lower in zip(addends, *np.split(sums, 2), strict=True):
            self._sums[name] = self._sums.get(name, 0) + np.stack([upper, lower])

    def replicates(self) -> Iterator[tuple[dict[str, int], int]]:
        """Goes through the resampled sets of papers that are not empty: the sums, and of how many papers."""
        columns = {name: ((sums[0].astype(object) << _HALF) + sums[1]).tolist() for name, sums in self._sums.items()}
        for number, papers in enumerate(self._papers.tolist()):
            if papers:
                yield {name: sums[number] for name, sums in columns.items()}, papers

    def intervals(
        self, figures: Callable[[Mapping[str, int], int], Mapping[str, float]], level: float = LEVEL
    ) -> dict[str, tuple[float, float]]:
        """Computes percentile intervals: between which values the middle replicates lie.

        They are the plainest of bootstrap intervals (Efron and Tibshirani, "An introduction to the bootstrap", 1993,
        chapter 13), and of means and ratios of many papers they need no better one.

        Args:
            figures: computes figures from sums over papers, and of how many papers.
            level: the share of replicates in the middle.

        Returns:
            Name -> ends of the interval; nothing, if there were no papers.
        """
        drawn = [figures(sums, papers) for sums, papers in self.replicates()]
        ends = ((1 - level) / 2, (1 + level) / 2)
        return {name: _ends([row[name] for row in drawn], ends) for name in (drawn[0] if drawn else ())}


def _ends(values: list[float], ends: tuple[float, float]) -> tuple[float, float]:
    low, high = np.quantile(np.array(values), ends).tolist()
    return low, high
