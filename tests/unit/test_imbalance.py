"""Positive weights make up for labels that few papers have, and biases begin at what labels are worth expecting."""

import numpy as np
import pytest

from trainer.imbalance import CAP, label_shares, positive_weights, prior_log_odds


def test_without_a_method_there_are_no_weights():
    assert positive_weights([1, 2], 10, 'none') is None


@pytest.mark.parametrize(
    ('method', 'expected'), [('balanced', [99.0, 9.0, 1.0, 0.25]), ('sqrt', [99**0.5, 3.0, 1.0, 0.5])]
)
def test_weights_are_the_odds_against_a_label_or_their_root(method, expected):
    weights = positive_weights([1, 10, 50, 80], 100, method)
    assert weights.dtype == np.float32
    assert weights.tolist() == np.float32(expected).tolist()


def test_balanced_labels_weigh_the_same_on_both_sides():
    papers = np.array([20, 50, 99])
    weights = positive_weights(papers, 100, 'balanced')
    np.testing.assert_allclose(weights * papers, 100 - papers, rtol=1e-6)


@pytest.mark.parametrize('method', ['balanced', 'sqrt'])
def test_weights_are_capped_and_defined_for_labels_of_no_and_of_all_papers(method):
    rare, none, always = positive_weights([1, 0, 50_000], 50_000, method)
    assert rare == none == CAP
    assert 0 < always < 0.01


def test_a_label_of_all_of_many_papers_has_a_prior_that_is_a_number():
    [prior] = prior_log_odds(label_shares([20_000_000], 20_000_000))
    assert prior == np.float32(np.log(40_000_001))
