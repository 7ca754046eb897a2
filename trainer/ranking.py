"""How well scores rank the labels of papers. Pure NumPy.

Each figure comes from sums over papers, of integers, so that neither order nor batches matter; see `fixed_point`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from trainer.fixed_point import UNITS, units

# How many of the best scored labels the figures "at k" look at.
CUTS = (1, 3, 5)
DEPTH = max(CUTS)

_DISCOUNTS = np.array([1 / math.log2(rank + 1) for rank in range(1, DEPTH + 1)])
# By the number of relevant labels, up to DEPTH: the gain of the best ranking.
_IDEAL_GAINS = np.concatenate([[0], np.cumsum(_DISCOUNTS)])


def best_labels(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
    """Ranks the `k` labels with the highest scores of each paper.

    Args:
        scores: [papers, labels].
        k: how many; all, if there are fewer labels.

    Returns:
        int64 [papers, min(k, labels)], best first. Of equal scores the lower label index comes first.

    >>> best_labels(np.array([[.1, .7, .2, .7]], np.float32), 3).tolist()
    [[1, 3, 2]]
    """
    remaining = np.array(scores, np.float32)
    papers, labels = remaining.shape
    best = np.zeros((papers, min(k, labels)), np.int64)
    for rank in range(best.shape[1]):
        # argmax gives the first of equal values; sorting all labels would cost far more where there are thousands.
        best[:, rank] = remaining.argmax(axis=1)
        remaining[np.arange(papers), best[:, rank]] = -np.inf
    return best


def addends_at_k(
    applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32], propensities: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.int64]]:
    """Computes what the first k labels of each paper are worth.

    Args:
        applies: [papers, labels], whether the label applies; to each paper at least one.
        scores: [papers, labels].
        propensities: [labels], above 0.

    Returns:
        Name -> int64 [papers], to be added up over papers, for `figures_at_k`.
    """
    first = best_labels(scores, DEPTH)
    hits = np.take_along_axis(applies, first, axis=1)
    inverse = units(1 / propensities.astype(np.float64))
    gains, best_gains = inverse[first] * hits, _largest(applies, inverse)
    relevant = np.count_nonzero(applies, axis=1)
    addends: dict[str, npt.NDArray[np.int64]] = {}
    for k in CUTS:
        found = np.count_nonzero(hits[:, :k], axis=1)
        ideal = _IDEAL_GAINS[np.minimum(relevant, k)]
        addends[f'hits_at_{k}'] = found.astype(np.int64)
        addends[f'recall_at_{k}'] = units(found / relevant)
        addends[f'ndcg_at_{k}'] = units(_discounted(hits[:, :k]) / ideal)
        for name, worth in (('attained', gains[:, :k]), ('attainable', best_gains[:, :k])):
            addends[f'{name}_at_{k}'] = worth.sum(axis=1)
            addends[f'{name}_ndcg_at_{k}'] = units(_discounted(worth / UNITS) / ideal)
    return addends


def figures_at_k(totals: Mapping[str, int], papers: int) -> dict[str, float]:
    """Computes the figures for k = 1, 3, 5 from the summed `addends_at_k` of `papers` papers, at least one.

    With y = 1 where the label at a rank applies, n labels that apply, and D(m) = sum over ranks r = 1..m of
    1 / log2(r + 1):

    - `precision_at_k`: mean over papers of (sum of y over ranks 1..k) / k.
    - `recall_at_k`: mean of (sum of y over ranks 1..k) / n.
    - `ndcg_at_k`: mean of (sum over ranks r = 1..k of y / log2(r + 1)) / D(min(n, k)) (Järvelin and Kekäläinen, 2002).
    - `propensity_scored_precision_at_k`, `propensity_scored_ndcg_at_k`: the same two with y / p in place of y, where p
      is the propensity of the label at that rank (Jain et al., 2016). Unlike precision they are not bounded by 1; so,
      as in the literature's tables and in pyxclib, each is divided by the value that the best ranking of all these
      papers attains, the one that has the labels that apply first, those of the lowest propensity before the others.
    """
    figures = {}
    for k in CUTS:
        figures[f'precision_at_{k}'] = totals[f'hits_at_{k}'] / (k * papers)
        figures[f'recall_at_{k}'] = totals[f'recall_at_{k}'] / UNITS / papers
        figures[f'ndcg_at_{k}'] = totals[f'ndcg_at_{k}'] / UNITS / papers
        for figure, name in (('precision', f'at_{k}'), ('ndcg', f'ndcg_at_{k}')):
            ratio = totals[f'attained_{name}'] / totals[f'attainable_{name}']
            figures[f'propensity_scored_{figure}_at_{k}'] = ratio
    return figures


def addends_of_ranks(
    applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.int64]]:
    """Computes for each paper where in the ranking of all labels those that apply are.

    Args:
        applies: [papers, labels], whether the label applies; to each of the papers, one or more, at least one.
        scores: [papers, labels], each between 0 and 1.

    Returns:
        Name -> int64 [papers], to be added up over papers, for `figures_of_ranks`.
    """
    papers, labels = scores.shape
    # The bits of floats that are not negative order as they do, and -0 becomes 0: with the paper before them, one
    # sorted array holds the ranking of each paper.
    keys = (np.arange(papers, dtype=np.uint64)[:, np.newaxis] << np.uint64(32)) | (scores + 0).view(np.uint32)
    of, _ = np.nonzero(applies)
    relevant = np.count_nonzero(applies, axis=1)
    ends, chosen = np.cumsum(relevant), keys[applies]
    ranks = (of + 1) * labels - np.searchsorted(np.sort(keys, axis=1).ravel(), chosen)
    ranks_among_relevant = ends[of] - np.searchsorted(np.sort(chosen), chosen)
    starts = ends - relevant
    precisions = np.add.reduceat(units(ranks_among_relevant / ranks), starts) / relevant
    return {
        'coverage': np.maximum.reduceat(ranks, starts).astype(np.int64),
        'precision': np.rint(precisions).astype(np.int64),
    }


def figures_of_ranks(totals: Mapping[str, int], papers: int) -> dict[str, float]:
    """Computes two figures from the summed `addends_of_ranks` of `papers` papers, as scikit-learn defines them.

    The rank of a label is the number of labels whose score is at least as high, so that of labels with equal scores
    each has the last rank.

    - `coverage_error`: mean over papers of the largest rank of a label that applies.
    - `label_ranking_average_precision`: mean over papers of the mean, over the labels that apply, of (labels that apply
      whose score is at least as high) / rank.
    """
    return {
        'coverage_error': totals['coverage'] / papers,
        'label_ranking_average_precision': totals['precision'] / UNITS / papers,
    }


def _largest(applies: npt.NDArray[np.bool_], worth: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the worth of the `DEPTH` worthiest labels that apply, [papers, DEPTH], falling, then 0."""
    papers, labels = np.nonzero(applies)
    relevant = np.count_nonzero(applies, axis=1)
    order = np.lexsort((-worth[labels], papers))
    place = np.arange(len(papers)) - np.repeat(np.cumsum(relevant) - relevant, relevant)
    kept = place < DEPTH
    largest = np.zeros((len(applies), DEPTH), np.int64)
    largest[papers[kept], place[kept]] = worth[labels[order]][kept]
    return largest


def _discounted(gains: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Sums gains [papers, k] / log2(rank + 1) over ranks, one by one."""
    discounted: npt.NDArray[np.float64] = np.cumsum(gains * _DISCOUNTS[: gains.shape[1]], axis=1)[:, -1]
    return discounted
