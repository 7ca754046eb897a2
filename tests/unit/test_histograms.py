"""Scores are binned exactly as float32 comparisons tell them apart, and the figures of a label are scikit-learn's."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn_metrics

from trainer.histograms import (
    BINS,
    GRID,
    HALF,
    MEAN_SCORES,
    LabelHistograms,
    from_each_bin_on,
    grid_bins,
    precision_recall_curve,
)
from trainer.reliability import Reliability


def counted(truth, scores):
    histograms = LabelHistograms(truth.shape[1])
    histograms.add(truth, scores)
    return histograms


def random_papers(papers, labels, seed=0):
    """Truth and scores, rare labels with scores of 0.001 and less, as a tagger gives them."""
    random = np.random.default_rng(seed)
    log_odds = np.linspace(0, -7, labels) + random.normal(0, 1.5, (papers, labels))
    truth = random.random((papers, labels)) < 1 / (1 + np.exp(-log_odds))
    truth[0] = True
    return truth, (1 / (1 + np.exp(-log_odds - random.normal(0, 0.5, (papers, labels))))).astype(np.float32)


def test_the_grid_resolves_small_probabilities_and_those_close_to_one():
    assert (len(GRID), GRID.dtype) == (BINS, np.float32)
    assert GRID[[0, 1, 2, HALF - 1, HALF, HALF + 1]].tolist() == [
        0, 2**-17, 33 * 2**-22, 63 / 128, 0.5, 65 / 128,
    ]  # fmt: skip
    assert GRID[-1] == 1 - 2**-17
    assert np.array_equal(np.sort(GRID), GRID)
    # From one threshold to the next the odds rise by 7 % at most.
    odds = GRID[1:] / (1 - GRID[1:].astype(np.float64))
    assert 1.01 < (odds[1:] / odds[:-1]).min() < (odds[1:] / odds[:-1]).max() < 1.07


def test_every_threshold_and_its_neighbours_in_float32_fall_into_the_right_bin():
    assert grid_bins(GRID).tolist() == list(range(BINS))
    assert grid_bins(np.nextafter(GRID[1:], np.float32(0))).tolist() == list(range(BINS - 1))
    assert grid_bins(np.nextafter(GRID, np.float32(1))).tolist() == list(range(BINS))
    assert grid_bins(np.array([-0.0, 1.0], np.float32)).tolist() == [0, BINS - 1]


@given(scores=arrays.arrays(np.float32, (5, 4), elements=st.floats(0, 1, width=32)))
def test_a_score_is_at_least_a_threshold_exactly_where_its_bin_is(scores):
    assert np.array_equal(grid_bins(scores)[..., np.newaxis] >= np.arange(BINS), scores[..., np.newaxis] >= GRID)


def test_a_label_has_its_own_counts_and_totals_are_their_sums():
    truth = np.array([[1, 0], [0, 1], [1, 1]], bool)
    histograms = counted(truth, np.array([[0.5, 0.25], [0.5, 1], [0.75, 0]], np.float32))
    quarter, half, three_quarters = grid_bins(np.array([0.25, 0.5, 0.75], np.float32)).tolist()

    def filled(counts):
        return {int(bin_): int(counts[bin_]) for bin_ in np.flatnonzero(counts)}

    assert [[filled(counts) for counts in label] for label in histograms] == [
        [{half: 1, three_quarters: 1}, {half: 2, three_quarters: 1}],
        [{BINS - 1: 1, 0: 1}, {BINS - 1: 1, quarter: 1, 0: 1}],
    ]
    assert [filled(counts) for counts in histograms.totals()] == [
        {0: 1, half: 1, three_quarters: 1, BINS - 1: 1},
        {0: 1, quarter: 1, half: 2, three_quarters: 1, BINS - 1: 1},
    ]
    assert histograms[0][0].dtype == np.int64
    with pytest.raises(IndexError, match='label 2 of 2'):
        histograms[2]


@settings(deadline=None)
@given(seed=st.integers(0, 1000))
def test_average_precision_is_that_of_scikit_learn_where_scores_lie_on_the_grid(seed):
    truth, scores = random_papers(60, 5, seed)
    on_grid = GRID[grid_bins(scores)]
    expected = [sklearn_metrics.average_precision_score(truth[:, label], on_grid[:, label]) for label in range(5)]
    assert counted(truth, on_grid).average_precisions() == pytest.approx(expected, rel=1e-14)
    assert counted(truth, scores).average_precisions() == counted(truth, on_grid).average_precisions()


def test_average_precision_of_continuous_scores_is_off_by_little():
    truth, scores = random_papers(5000, 50)
    expected = [sklearn_metrics.average_precision_score(truth[:, label], scores[:, label]) for label in range(50)]
    errors = np.array(counted(truth, scores).average_precisions()) - expected
    # Papers whose scores fall into the same bin count as tied. AP is between .03 and .80 here.
    assert np.abs(errors).max() < 0.005
    assert -0.0015 < errors.mean() < 0


def test_a_label_that_no_paper_has_has_no_average_precision():
    histograms = counted(np.array([[1, 0]], bool), np.array([[0.5, 0.5]], np.float32))
    assert histograms.average_precisions() == [1.0, None]
    assert precision_recall_curve(*histograms[1]) == []


def test_the_precision_recall_curve_is_that_of_scikit_learn_where_recall_rises():
    truth, scores = random_papers(300, 3)
    scores = GRID[grid_bins(scores)]
    for label, (positives, scored) in enumerate(counted(truth, scores)):
        precision, recall, thresholds = sklearn_metrics.precision_recall_curve(truth[:, label], scores[:, label])
        rises = np.flatnonzero(recall[:-1] > recall[1:])[::-1]
        expected = np.stack([thresholds[rises], precision[rises], recall[rises]], axis=1)
        assert np.array(precision_recall_curve(positives, scored)) == pytest.approx(expected, rel=1e-15)


def test_counts_are_summed_from_each_bin_on():
    assert from_each_bin_on(np.array([[5, 0, 2], [0, 1, 1]])).tolist() == [[7, 2, 2], [2, 2, 1]]


def test_merged_and_pickled_histograms_are_those_of_all_papers():
    truth, scores = random_papers(500, 20)
    whole, first, second = (counted(truth[rows], scores[rows]) for rows in (slice(500), slice(200), slice(200, 500)))
    first.merge(pickle.loads(pickle.dumps(second)))
    assert pickle.dumps(first) == pickle.dumps(whole)
    assert first.average_precisions() == whole.average_precisions()


def test_pickled_they_are_small():
    assert len(pickle.dumps(LabelHistograms(30_000))) < 1_000
    # 8 bytes a bin where a score fell, of 152 x 1,026.
    assert len(pickle.dumps(counted(*random_papers(20_000, 152)))) < 1_000_000


def test_the_calibration_error_of_a_label_by_hand():
    # The means of bins of the grid: scores of 1/2 count as 129/256, those of 3/4 as 385/512, those of 0 as 2^-18.
    truth = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]], bool)
    scores = np.array([[0.5, 0, 0.75], [0.5, 0, 0.75], [0.75, 0, 0.75], [0.75, 0, 0.5]], np.float32)
    assert counted(truth, scores).expected_calibration_errors() == [
        (2 * (129 / 256 - 1 / 2) + 2 * (1 - 385 / 512)) / 4,
        2**-18,
        (3 * 385 / 512 + 129 / 256) / 4,
    ]
    assert LabelHistograms(2).expected_calibration_errors() == [None, None]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_calibration_error_of_one_label_is_that_of_the_reliability_diagram_but_for_the_grid(seed):
    truth, scores = random_papers(300, 1, seed)
    # Only whole steps of the grid fall into the same bin of the diagram for sure.
    scores = MEAN_SCORES[grid_bins(scores)].astype(np.float32)
    diagram = Reliability()
    diagram.add(truth, scores)
    assert counted(truth, scores).expected_calibration_errors() == [
        pytest.approx(diagram.expected_calibration_error(), abs=1e-7)
    ]
