"""Scores are binned exactly as float32 comparisons tell them apart, and the best threshold is the best."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import f1_score

from trainer.thresholds import BINS, GRID, best_micro_f1, global_thresholds, grid_bins

SCORES = arrays.arrays(np.float32, (7, 3), elements=st.floats(0, 1, width=32))
TRUTH = arrays.arrays(bool, (7, 3))


def count(truth, scores):
    bins = grid_bins(scores)
    return (
        np.bincount(bins[truth], minlength=BINS + 1),
        np.bincount(bins.ravel(), minlength=BINS + 1),
    )


def test_every_threshold_and_its_neighbours_in_float32_fall_into_the_right_bin():
    below = np.nextafter(GRID[1:], np.float32(0))
    above = np.nextafter(GRID[:-1], np.float32(1))
    assert grid_bins(GRID).tolist() == list(range(1001))
    assert grid_bins(below).tolist() == list(range(1000))
    assert grid_bins(above).tolist() == list(range(1000))


def test_best_threshold_by_hand():
    # Scores of what applies: 0.9, 0.6, 0.3; of what does not: 0.5, 0.2. From 0.3 on: TP 3, FP 1, FN 0, F1 = 6/7.
    truth = np.array([[1, 1, 1, 0, 0]], bool)
    scores = np.array([[0.9, 0.6, 0.3, 0.5, 0.2]], np.float32)
    f1, threshold = best_micro_f1(*count(truth, scores))
    assert f1 == 6 / 7
    # 0.2 falls into the bin of 0.2, so 0.201 is the lowest threshold of the grid that leaves it out.
    assert threshold == 0.201


def test_no_label_that_applies_gives_the_threshold_a_half():
    nothing = np.zeros(BINS + 1, np.int64)
    assert best_micro_f1(nothing, nothing) == (0.0, 0.5)


def test_every_label_gets_the_same_threshold_in_float32():
    positives, scored = count(np.array([[True, False]]), np.array([[0.75, 0.25]], np.float32))
    thresholds = global_thresholds(positives, scored, 4)
    assert thresholds.dtype == np.float32
    assert thresholds.tolist() == [np.float32(0.251)] * 4


@given(truth=TRUTH, scores=SCORES)
def test_best_micro_f1_is_the_highest_that_scikit_learn_finds_on_the_grid(truth, scores):
    f1, threshold = best_micro_f1(*count(truth, scores))
    candidates = np.unique(GRID[1:][grid_bins(scores).ravel().clip(1) - 1])
    highest = max(f1_score(truth, scores >= t, average='micro', zero_division=0) for t in candidates)
    assert np.isclose(f1, highest)
    if truth.any():
        assert np.isclose(f1, f1_score(truth, scores >= np.float32(threshold), average='micro', zero_division=0))
