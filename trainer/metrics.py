"""How well scores rank and tell the labels of papers: counts that can be added up in any order. Pure NumPy.

Everything is counted in integers, and each figure is computed from the counts in a fixed order. The result is thus
the same, to the last bit, however the papers are batched, spread over workers and merged.
"""

from __future__ import annotations

import collections
import math

import numpy as np
import numpy.typing as npt

from trainer import thresholds as thresholds_lib

# How many of the best scored labels the ranking metrics look at.
DEPTH = 5

_DISCOUNTS = [1 / math.log2(rank + 1) for rank in range(1, DEPTH + 1)]


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


def ndcg(hits: int, relevant: int) -> float:
    """Normalized discounted cumulative gain at `DEPTH`, of one ranking with binary relevance.

    nDCG@5 = sum over ranks r = 1..5 of hit_r / log2(r + 1), divided by the same sum for a ranking that puts all
    relevant labels first (Järvelin and Kekäläinen, 2002).

    Args:
        hits: bit `r - 1` says whether the label at rank r applies.
        relevant: how many labels apply; at least 1.

    >>> ndcg(0b00101, 2)  # (1 + 1/2) / (1 + 1/log2(3))
    0.9197207891481876
    """
    gain = math.fsum(discount for rank, discount in enumerate(_DISCOUNTS) if hits >> rank & 1)
    return gain / math.fsum(_DISCOUNTS[: min(relevant, DEPTH)])


class StreamingMetrics:
    """Adds up counts over batches of papers, in memory that does not depend on their number.

    Papers to which no label applies are counted as `papers_without_labels` and left out of everything else.

    >>> metrics = StreamingMetrics(3, np.full(3, .5, np.float32))
    >>> metrics.add(np.array([[1, 0, 1]]), np.array([[.9, .8, .2]], np.float32))
    >>> metrics.result()['precision_at_1'], metrics.result()['micro_f1']
    (1.0, 0.5)

    Attributes:
        labels: number of labels.
        thresholds: float32 [labels]; a label is given where its score is at least its threshold.
        papers: papers to which a label applies.
        papers_without_labels: the others.
        true_positives, false_positives, false_negatives: int64 [labels], at `thresholds`.
        positives, scored: int64 [1001], (paper, label) pairs whose scores fall into each bin of `thresholds.GRID`:
            those that apply, and all.
    """

    def __init__(self, labels: int, thresholds: npt.ArrayLike) -> None:
        self.labels = labels
        self.thresholds = np.asarray(thresholds, np.float32)
        if labels < 1 or self.thresholds.shape != (labels,):
            raise ValueError(f'thresholds of shape {self.thresholds.shape} for {labels} labels')
        self.papers_without_labels = 0
        self.true_positives = np.zeros(labels, np.int64)
        self.false_positives = np.zeros(labels, np.int64)
        self.false_negatives = np.zeros(labels, np.int64)
        self.positives = np.zeros(thresholds_lib.BINS + 1, np.int64)
        self.scored = np.zeros(thresholds_lib.BINS + 1, np.int64)
        # (which of the first DEPTH ranks are hits, as bits; how many labels apply) -> papers.
        self._rankings: collections.Counter[tuple[int, int]] = collections.Counter()

    @property
    def papers(self) -> int:
        return self._rankings.total()

    @property
    def support(self) -> npt.NDArray[np.int64]:
        """int64 [labels], papers to which each label applies."""
        return self.true_positives + self.false_negatives

    def add(self, truth: npt.ArrayLike, scores: npt.ArrayLike) -> None:
        """Counts a batch of papers.

        Args:
            truth: [papers, labels], true or 1 where the label applies.
            scores: float32 [papers, labels], each between 0 and 1.

        Raises:
            ValueError: if the shapes differ or a score is not between 0 and 1.
        """
        applies = np.asarray(truth).astype(bool)
        scores = np.asarray(scores, np.float32)
        if applies.shape != scores.shape or applies.ndim != 2 or applies.shape[1] != self.labels:
            raise ValueError(f'truth of shape {applies.shape}, scores of shape {scores.shape}, {self.labels} labels')
        if not np.all((scores >= 0) & (scores <= 1)):
            raise ValueError('a score is not between 0 and 1')
        labelled = np.any(applies, axis=1)
        self.papers_without_labels += int(np.sum(~labelled))
        applies, scores = applies[labelled], scores[labelled]

        given = scores >= self.thresholds
        self.true_positives += (given & applies).sum(axis=0)
        self.false_positives += (given & ~applies).sum(axis=0)
        self.false_negatives += (~given & applies).sum(axis=0)

        bins = thresholds_lib.grid_bins(scores)
        self.scored += np.bincount(bins.ravel(), minlength=len(self.scored))
        self.positives += np.bincount(bins[applies], minlength=len(self.positives))

        hits = np.take_along_axis(applies, best_labels(scores, DEPTH), axis=1)
        patterns = hits @ (1 << np.arange(hits.shape[1]))
        self._rankings.update(zip(patterns.tolist(), applies.sum(axis=1).tolist(), strict=True))

    def merge(self, other: StreamingMetrics) -> None:
        """Adds the counts of `other`, which stays as it is.

        Raises:
            ValueError: if `other` counts other labels or has other thresholds.
        """
        if other.labels != self.labels or not np.array_equal(other.thresholds, self.thresholds):
            raise ValueError('metrics of other labels or thresholds cannot be merged')
        self.papers_without_labels += other.papers_without_labels
        for name in ('true_positives', 'false_positives', 'false_negatives', 'positives', 'scored'):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._rankings.update(other._rankings)

    def result(self) -> dict[str, int | float | None]:
        """Computes the figures; without papers, all but the counts are None.

        TP, FP and FN are the true positives, false positives and false negatives of a label at its threshold.

        - `papers`, `papers_without_labels`: counts.
        - `precision_at_k` for k = 1, 3, 5: mean of (how many of the first k labels apply) / k.
        - `recall_at_5`: mean of (how many of the first 5 labels apply) / (how many apply).
        - `ndcg_at_5`: mean of `ndcg`.
        - `micro_f1`: 2 TP / (2 TP + FP + FN), TP, FP and FN summed over labels.
        - `macro_f1`: mean over all labels of 2 TP / (2 TP + FP + FN), 0 for a label that is neither given nor applies.
        - `micro_f1_best`, `micro_f1_best_threshold`: see `thresholds.best_micro_f1`.
        - `binary_accuracy`: share of the (paper, label) pairs that a threshold of 0.5 tells right, as
          keras.metrics.BinaryAccuracy computes it (which calls a score of exactly 0.5 negative; here it is positive).
        - `binary_accuracy_of_predicting_nothing`: the same for a model that gives no label at all.
        """
        counts: dict[str, int | float | None] = {
            'papers': self.papers,
            'papers_without_labels': self.papers_without_labels,
        }
        ranking = {**_precisions(self._rankings), **_means(self._rankings)}
        decided = {**self._f1(), **self._accuracy()} if self.papers else {}
        return {**counts, **dict.fromkeys(_FIGURES), **ranking, **decided}

    def _f1(self) -> dict[str, float]:
        numerators = 2 * self.true_positives
        denominators = numerators + self.false_positives + self.false_negatives
        by_label = numerators / np.maximum(denominators, 1)
        best, threshold = thresholds_lib.best_micro_f1(self.positives, self.scored)
        return {
            'micro_f1': int(numerators.sum()) / int(denominators.sum()),
            'macro_f1': math.fsum(by_label.tolist()) / self.labels,
            'micro_f1_best': best,
            'micro_f1_best_threshold': threshold,
        }

    def _accuracy(self) -> dict[str, float]:
        half = thresholds_lib.BINS // 2
        pairs, applying = int(self.scored.sum()), int(self.positives.sum())
        true_positives, given = int(self.positives[half:].sum()), int(self.scored[half:].sum())
        wrong = (given - true_positives) + (applying - true_positives)
        return {
            'binary_accuracy': (pairs - wrong) / pairs,
            'binary_accuracy_of_predicting_nothing': (pairs - applying) / pairs,
        }


_FIGURES = (
    'precision_at_1',
    'precision_at_3',
    'precision_at_5',
    'recall_at_5',
    'ndcg_at_5',
    'micro_f1',
    'macro_f1',
    'micro_f1_best',
    'micro_f1_best_threshold',
    'binary_accuracy',
    'binary_accuracy_of_predicting_nothing',
)


def _precisions(rankings: collections.Counter[tuple[int, int]]) -> dict[str, float]:
    def hits(k: int) -> int:
        return sum((pattern & (1 << k) - 1).bit_count() * papers for (pattern, _), papers in rankings.items())

    return {f'precision_at_{k}': hits(k) / (k * rankings.total()) for k in (1, 3, 5) if rankings}


def _means(rankings: collections.Counter[tuple[int, int]]) -> dict[str, float]:
    # fsum rounds once, at the end: the order of its terms does not matter.
    papers = rankings.total()
    recall = math.fsum(n * (pattern.bit_count() / relevant) for (pattern, relevant), n in rankings.items())
    gain = math.fsum(n * ndcg(pattern, relevant) for (pattern, relevant), n in rankings.items())
    return {'recall_at_5': recall / papers, 'ndcg_at_5': gain / papers} if papers else {}
