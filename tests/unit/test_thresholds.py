"""The best threshold is the best."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import f1_score

from trainer.histograms import BINS, GRID, LabelHistograms, grid_bins
from trainer.thresholds import SHARE_OF_OWN, SHRINKAGE_PAPERS, best_micro_f1, choose_thresholds, own_threshold

SCORES = arrays.arrays(np.float32, (7, 3), elements=st.floats(0, 1, width=32))
TRUTH = arrays.arrays(bool, (7, 3))


def count(truth, scores):
    histograms = LabelHistograms(truth.shape[1])
    histograms.add(truth, scores)
    return histograms.totals()


def test_best_threshold_by_hand():
    # Scores of what applies: 0.9, 0.6, 0.3; of what does not: 0.5, 0.2. From 0.3 on: TP 3, FP 1, FN 0, F1 = 6/7.
    truth = np.array([[1, 1, 1, 0, 0]], bool)
    scores = np.array([[0.9, 0.6, 0.3, 0.5, 0.2]], np.float32)
    f1, threshold = best_micro_f1(*count(truth, scores))
    assert f1 == 6 / 7
    # Between 1/8 and 1/4 the grid is in steps of 1/256, and 0.2 is 51.2 of them: the next one leaves it out.
    assert threshold == 52 / 256


def test_no_label_that_applies_gives_the_threshold_a_half():
    nothing = np.zeros(BINS, np.int64)
    assert best_micro_f1(nothing, nothing) == (0.0, 0.5)


def test_with_the_single_method_every_label_gets_the_same_threshold_in_float32():
    histograms = LabelHistograms(4)
    histograms.add(np.array([[True, False, False, False]]), np.array([[0.75, 0.25, 0.1, 0.1]], np.float32))
    method, by_label, single = choose_thresholds(histograms, 'single')
    assert (method, single) == ('single', 33 / 128)
    assert by_label.dtype == np.float32
    assert by_label.tolist() == [33 / 128] * 4


def test_of_a_label_with_many_papers_the_threshold_is_the_one_that_is_best_on_them():
    # Scores say nothing of how often the label applies: 3,000 papers that have it score .3, 3,000 others .2.
    histograms = LabelHistograms(1)
    histograms.add(
        np.repeat([[True], [False]], 3000, axis=0), np.repeat([[0.3], [0.2]], 3000, axis=0).astype(np.float32)
    )
    # From .203125 on nothing but papers that have it.
    assert own_threshold(*histograms[0]) == 52 / 256


def test_of_a_label_without_papers_it_is_half_of_the_best_f1_that_calibrated_scores_can_be_expected_to_have():
    random = np.random.default_rng(0)
    histograms = LabelHistograms(1)
    scores = random.beta(0.5, 2, (50_000, 1)).astype(np.float32)
    histograms.add(np.zeros_like(scores, bool), scores)
    ordered = np.sort(scores[:, 0].astype(float))[::-1]
    best_f1 = (2 * np.cumsum(ordered) / (np.arange(1, 50_001) + ordered.sum())).max()
    assert abs(own_threshold(*histograms[0]) - best_f1 / 2) < 0.01


def test_few_papers_move_a_threshold_little_and_many_move_it_far():
    def own(papers):
        # All papers that have the label score .9; 100 papers for each of them do not and score .5, as half should not.
        histograms = LabelHistograms(1)
        histograms.add(np.ones((papers, 1), bool), np.full((papers, 1), 0.9, np.float32))
        histograms.add(np.zeros((100 * papers, 1), bool), np.full((100 * papers, 1), 0.5, np.float32))
        return own_threshold(*histograms[0])

    assert own(1) < 0.5 < own(10 * int(SHRINKAGE_PAPERS)) <= 0.9


def test_each_label_goes_a_part_of_the_way_from_the_single_threshold_to_its_own():
    random = np.random.default_rng(0)
    histograms = LabelHistograms(3)
    scores = random.beta(0.3, 2, (2000, 3)).astype(np.float32)
    histograms.add(random.random((2000, 3)) < scores, scores)
    _, by_label, single = choose_thresholds(histograms, 'per_label')
    for label in range(3):
        own = own_threshold(*histograms[label])
        odds = (own / (1 - own)) ** SHARE_OF_OWN * (single / (1 - single)) ** (1 - SHARE_OF_OWN)
        assert abs(by_label[label] - odds / (1 + odds)) < 1e-6
    assert len(set(by_label.tolist())) == 3


def test_without_papers_every_label_falls_back_on_the_single_threshold():
    np.testing.assert_allclose(choose_thresholds(LabelHistograms(2), 'per_label').by_label, 0.5)


@given(truth=TRUTH, scores=SCORES)
def test_best_micro_f1_is_the_highest_that_scikit_learn_finds_on_the_grid(truth, scores):
    f1, threshold = best_micro_f1(*count(truth, scores))
    candidates = np.unique(GRID[1:][grid_bins(scores).ravel().clip(1) - 1])
    highest = max(f1_score(truth, scores >= t, average='micro', zero_division=0) for t in candidates)
    assert np.isclose(f1, highest)
    if truth.any():
        assert np.isclose(f1, f1_score(truth, scores >= np.float32(threshold), average='micro', zero_division=0))
