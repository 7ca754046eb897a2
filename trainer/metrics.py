"""How well scores rank and tell the labels of papers: counts that can be added up in any order. Pure NumPy.

Everything is counted in integers, fractions in units of 2^-40, and each figure is computed from the counts in a fixed
order. The result is thus the same, to the last bit, however the papers are batched, spread over workers and merged.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trainer import histograms, per_paper, ranking
from trainer import thresholds as thresholds_lib
from trainer.reliability import Reliability

# Pairs and papers that are counted at a time: what is needed beside them stays below 100 MB, and sums below 2^63.
_PAIRS = 1 << 18
_PAPERS = 1 << 16

FIGURES = (
    *(f'{name}_at_{k}' for name in ('precision', 'recall', 'ndcg') for k in ranking.CUTS),
    *(f'propensity_scored_{name}_at_{k}' for name in ('precision', 'ndcg') for k in ranking.CUTS),
    'coverage_error',
    'label_ranking_average_precision',
    'micro_f1',
    'macro_f1',
    'example_f1',
    'micro_f1_best',
    'micro_f1_best_threshold',
    'hamming_loss',
    'subset_accuracy',
    'binary_accuracy',
    'binary_accuracy_of_predicting_nothing',
    'mean_average_precision',
    'expected_calibration_error',
    'expected_calibration_error_top',
    'brier_score',
    'log_loss',
)


class LabelFigures(NamedTuple):
    """How well one label is told. What would be a share of nothing is None.

    Attributes:
        support: papers that have it.
        given: papers that it is given to.
        true_positives: papers of both kinds.
        threshold: it is given from this score on.
        precision: true_positives / given.
        recall: true_positives / support.
        f1: 2 true_positives / (given + support).
        average_precision: see `histograms.LabelHistograms.average_precisions`.
        expected_calibration_error: see `histograms.LabelHistograms.expected_calibration_errors`.
    """

    support: int
    given: int
    true_positives: int
    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    expected_calibration_error: float | None


class StreamingMetrics:
    """Adds up counts over batches of papers, in memory that does not depend on their number.

    Papers to which no label applies are counted as `papers_without_labels` and left out of everything else.

    >>> metrics = StreamingMetrics(3, thresholds=[.5, .5, .5], propensities=[1, .8, .4])
    >>> metrics.add(np.array([[1, 0, 1]]), np.array([[.9, .8, .2]], np.float32))
    >>> metrics.result()['precision_at_1'], metrics.result()['micro_f1']
    (1.0, 0.5)

    Attributes:
        labels: number of labels.
        thresholds: float32 [labels]; a label is given where its score is at least its threshold.
        propensities: float32 [labels], see `propensity.propensities`.
        papers: papers to which a label applies.
        papers_without_labels: the others.
        true_positives, false_positives, false_negatives: int64 [labels], at `thresholds`.
        histograms: the scores by label and bin of `histograms.GRID`.
        reliability: (paper, label) pairs, by their score.
        reliability_of_first_labels: each paper's label with the highest score, alone.
    """

    def __init__(self, labels: int, thresholds: npt.ArrayLike, propensities: npt.ArrayLike) -> None:
        self.labels = labels
        self.thresholds = np.asarray(thresholds, np.float32)
        self.propensities = np.asarray(propensities, np.float32)
        for name, values in (('thresholds', self.thresholds), ('propensities', self.propensities)):
            if labels < 1 or values.shape != (labels,):
                raise ValueError(f'{name} of shape {values.shape} for {labels} labels')
        if not np.all((self.propensities > 0) & (self.propensities <= 1)):
            raise ValueError('a propensity is not above 0 and at most 1')
        self.papers = 0
        self.papers_without_labels = 0
        self.true_positives = np.zeros(labels, np.int64)
        self.false_positives = np.zeros(labels, np.int64)
        self.false_negatives = np.zeros(labels, np.int64)
        self.histograms = histograms.LabelHistograms(labels)
        self.reliability = Reliability()
        self.reliability_of_first_labels = Reliability()
        # Name -> sum over papers, some in units of 2^-40: Python's integers, for they grow beyond 64 bits.
        self._totals: collections.Counter[str] = collections.Counter()

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
        if not np.all(labelled):
            applies, scores = applies[labelled], scores[labelled]
        self.papers += len(scores)
        at_a_time = min(max(_PAIRS // self.labels, 1), _PAPERS)
        for start in range(0, len(scores), at_a_time):
            self._count(applies[start : start + at_a_time], scores[start : start + at_a_time])

    def _count(self, applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> None:
        given = scores >= self.thresholds
        right = given & applies
        true_positives, false_positives, false_negatives = (
            np.count_nonzero(which, axis=0) for which in (right, given & ~applies, applies & ~given)
        )
        self.true_positives += true_positives
        self.false_positives += false_positives
        self.false_negatives += false_negatives

        self._totals.update(per_paper.totals(per_paper.addends(applies, scores, self.thresholds, self.propensities)))
        self.histograms.add(applies, scores)
        self.reliability.add(applies, scores)
        first = ranking.best_labels(scores, 1)
        self.reliability_of_first_labels.add(
            np.take_along_axis(applies, first, axis=1), np.take_along_axis(scores, first, axis=1)
        )

    def merge(self, other: StreamingMetrics) -> None:
        """Adds the counts of `other`, which stays as it is.

        Raises:
            ValueError: if `other` counts other labels or has other thresholds or propensities.
        """
        if not (
            other.labels == self.labels
            and np.array_equal(other.thresholds, self.thresholds)
            and np.array_equal(other.propensities, self.propensities)
        ):
            raise ValueError('metrics of other labels, thresholds or propensities cannot be merged')
        self.papers += other.papers
        self.papers_without_labels += other.papers_without_labels
        self.true_positives += other.true_positives
        self.false_positives += other.false_positives
        self.false_negatives += other.false_negatives
        self.histograms.merge(other.histograms)
        self.reliability.merge(other.reliability)
        self.reliability_of_first_labels.merge(other.reliability_of_first_labels)
        self._totals.update(other._totals)

    def label_figures(self) -> list[LabelFigures]:
        """Returns the figures of each label."""
        columns = (
            self.support.tolist(),
            (self.true_positives + self.false_positives).tolist(),
            self.true_positives.tolist(),
            self.thresholds.tolist(),
            self.histograms.average_precisions(),
            self.histograms.expected_calibration_errors(),
        )
        return [
            LabelFigures(
                *(support, given, right, threshold),
                precision=right / given if given else None,
                recall=right / support if support else None,
                f1=2 * right / (given + support) if given + support else None,
                average_precision=average_precision,
                expected_calibration_error=calibration_error,
            )
            for support, given, right, threshold, average_precision, calibration_error in zip(*columns, strict=True)
        ]

    def result(self) -> dict[str, int | float | None]:
        """Computes the figures; without papers, all but the counts are None.

        TP, FP and FN are the true positives, false positives and false negatives of a label at its threshold.

        - `papers`, `papers_without_labels`: counts.
        - `precision_at_k`, `recall_at_k`, `ndcg_at_k`, `propensity_scored_precision_at_k` and
          `propensity_scored_ndcg_at_k` for k = 1, 3, 5: see `ranking.figures_at_k`.
        - `coverage_error`, `label_ranking_average_precision`: see `ranking.figures_of_ranks`.
        - `micro_f1`: 2 TP / (2 TP + FP + FN), TP, FP and FN summed over labels.
        - `macro_f1`: mean over all labels of 2 TP / (2 TP + FP + FN), 0 for a label that is neither given nor applies.
        - `example_f1`: mean over papers of 2 (labels given rightly) / (labels given + labels that apply).
        - `micro_f1_best`, `micro_f1_best_threshold`: see `thresholds.best_micro_f1`.
        - `hamming_loss`: share of the (paper, label) pairs that the thresholds tell wrong.
        - `subset_accuracy`: share of papers whose labels are all told right.
        - `binary_accuracy`: share of the (paper, label) pairs that a threshold of 0.5 tells right, as
          keras.metrics.BinaryAccuracy computes it (which calls a score of exactly 0.5 negative; here it is positive).
        - `binary_accuracy_of_predicting_nothing`: the same for a model that gives no label at all.
        - `mean_average_precision`: mean, over the labels that apply to a paper, of the label's average precision; see
          `histograms.LabelHistograms.average_precisions`.
        - `expected_calibration_error`, `expected_calibration_error_top`: see `Reliability`; of all (paper, label)
          pairs, and of each paper's label with the highest score alone.
        - `brier_score`: mean over (paper, label) pairs of (score - y)^2, where y is 1 if the label applies and else 0.
        - `log_loss`: mean over (paper, label) pairs of the binary cross-entropy; see `per_paper.cross_entropy`.
        """
        counts: dict[str, int | float | None] = {
            'papers': self.papers,
            'papers_without_labels': self.papers_without_labels,
        }
        figures = dict[str, int | float | None](dict.fromkeys(FIGURES))
        if self.papers:
            figures |= per_paper.figures(self._totals, self.papers, self.labels)
            figures |= {**self._decided(), **self._accuracy(), **self._calibration()}
        return counts | figures

    def _decided(self) -> dict[str, float]:
        wrong = self.false_positives + self.false_negatives
        numerators = 2 * self.true_positives
        by_label = numerators / np.maximum(numerators + wrong, 1)
        best, threshold = thresholds_lib.best_micro_f1(*self.histograms.totals())
        average_precisions = [value for value in self.histograms.average_precisions() if value is not None]
        return {
            'macro_f1': _mean(by_label.tolist()),
            'micro_f1_best': best,
            'micro_f1_best_threshold': threshold,
            'mean_average_precision': _mean(average_precisions),
        }

    def _accuracy(self) -> dict[str, float]:
        positives, scored = self.histograms.totals()
        pairs, applying = int(scored.sum()), int(positives.sum())
        true_positives, given = int(positives[histograms.HALF :].sum()), int(scored[histograms.HALF :].sum())
        wrong = (given - true_positives) + (applying - true_positives)
        return {
            'binary_accuracy': (pairs - wrong) / pairs,
            'binary_accuracy_of_predicting_nothing': (pairs - applying) / pairs,
        }

    def _calibration(self) -> dict[str, float | None]:
        return {
            'expected_calibration_error': self.reliability.expected_calibration_error(),
            'expected_calibration_error_top': self.reliability_of_first_labels.expected_calibration_error(),
        }


def _mean(values: Sequence[float]) -> float:
    # fsum rounds once, at the end: the order of its terms does not matter.
    return math.fsum(values) / len(values)
