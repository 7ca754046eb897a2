"""Platt scaling makes predicted and observed frequencies agree, and does no harm where there is nothing to learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from trainer.calibration import IDENTITY, platt_scaling

RANDOM = np.random.default_rng(0)


def pairs(scale, offset, number=200_000):
    """Logits, and labels that apply with the probability sigmoid(scale * logit + offset)."""
    logits = RANDOM.normal(-2, 2, number)
    return logits, RANDOM.random(number) < 1 / (1 + np.exp(-(scale * logits + offset)))


@pytest.mark.parametrize(('scale', 'offset'), [(1, 0), (0.5, -1), (2, 0.7)])
def test_the_numbers_that_made_the_labels_are_found_again(scale, offset):
    logits, applies = pairs(scale, offset)
    found = platt_scaling(logits, applies, np.ones(len(logits)))
    np.testing.assert_allclose(found, (scale, offset), atol=0.03)


def test_it_is_a_logistic_regression_on_the_logit():
    logits, applies = pairs(0.7, 0.3)
    regression = LogisticRegression(C=np.inf).fit(logits[:, None], applies)
    found = platt_scaling(logits, applies, np.ones(len(logits)))
    np.testing.assert_allclose(found, (regression.coef_[0, 0], regression.intercept_[0]), atol=1e-3)


def test_groups_of_equal_logits_give_what_single_pairs_give():
    logits = np.array([-2.0, -2.0, -2.0, 1.0, 1.0])
    applies = np.array([0, 1, 0, 1, 1])
    assert platt_scaling(logits, applies, np.ones(5)) == platt_scaling([-2.0, 1.0], [1, 2], [3, 2])


def test_observed_log_odds_by_hand():
    # 1 of 10 and 9 of 10 have log odds of -2.197 and 2.197: 1.0986 times the logits. Platt's targets stay a bit behind.
    scale, offset = platt_scaling([-2.0, 2.0], [100_000, 900_000], [1_000_000, 1_000_000])
    assert scale == pytest.approx(np.log(9) / 2, abs=1e-4)
    assert offset == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize('positives', [[0, 0], [10, 10], [9, 1]])
def test_where_nothing_can_be_learned_probabilities_stay_as_they_are(positives):
    assert platt_scaling([-2.0, 2.0], positives, [10, 10]) == IDENTITY


def test_separated_logits_give_finite_numbers():
    scale, offset = platt_scaling([-3.0, 3.0], [0, 10], [10, 10])
    assert 0 < scale < 2
    assert abs(offset) < 1e-6


@given(st.lists(st.tuples(st.floats(-12, 12), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30))
def test_calibrating_never_makes_papers_that_were_counted_less_likely(groups):
    logits, positives, others = (np.array(column, float) for column in zip(*groups, strict=True))
    scale, offset = platt_scaling(logits, positives, positives + others)

    def loss(z):
        return np.sum((positives + others) * np.logaddexp(0, z) - positives * z)

    assert scale > 0
    # Platt's targets differ from 0 and 1 by about one pair in all.
    assert loss(scale * logits + offset) <= loss(logits) + np.abs(logits).max() + 2
