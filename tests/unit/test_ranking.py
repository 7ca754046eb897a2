"""Ranking figures equal scikit-learn's, ties included, and a worked example where it has none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from trainer.per_paper import totals
from trainer.ranking import addends_at_k, addends_of_ranks, best_labels, figures_at_k, figures_of_ranks


def random_papers(papers, labels, seed, tied=False):
    random = np.random.default_rng(seed)
    truth = random.random((papers, labels)) < random.random()
    truth[np.arange(papers), random.integers(labels, size=papers)] = True
    scores = random.random((papers, labels)).astype(np.float32)
    return truth, np.round(scores, 1) if tied else scores


def test_of_equal_scores_the_lower_label_index_comes_first():
    scores = np.array([[0.2, 0.7, 0.2, 0.7, 0.2], [0, 0, 0, 0, 0]], np.float32)
    assert best_labels(scores, 4).tolist() == [[1, 3, 0, 2], [0, 1, 2, 3]]


@pytest.mark.parametrize('labels', [1, 2, 4, 5, 30])
def test_figures_at_k_are_those_of_their_definitions(labels):
    truth, scores = random_papers(200, labels, labels)
    figures = figures_at_k(totals(addends_at_k(truth, scores, np.ones(labels, np.float32))), 200)
    ranked = np.take_along_axis(truth, np.argsort(-scores, axis=1), axis=1)
    for k in (1, 3, 5):
        assert figures[f'precision_at_{k}'] == pytest.approx(ranked[:, :k].sum(axis=1).mean() / k, rel=1e-12)
        recall = (ranked[:, :k].sum(axis=1) / truth.sum(axis=1)).mean()
        assert figures[f'recall_at_{k}'] == pytest.approx(recall, rel=1e-11)
        if labels > 1:
            ndcg = sklearn_metrics.ndcg_score(truth, scores, k=k)
            assert figures[f'ndcg_at_{k}'] == pytest.approx(ndcg, rel=1e-11)
        # Labels that are never forgotten are all worth the same.
        attainable = np.minimum(truth.sum(axis=1), k).sum()
        ratio = figures[f'propensity_scored_precision_at_{k}']
        assert ratio == pytest.approx(ranked[:, :k].sum() / attainable, rel=1e-11)
        assert figures[f'propensity_scored_ndcg_at_{k}'] == pytest.approx(figures[f'ndcg_at_{k}'], rel=1e-11)


def test_propensity_scored_figures_by_hand():
    # Hits on the labels A, B, C, D are worth 1, 2, 4, 8.
    propensities = np.array([1, 0.5, 0.25, 0.125], np.float32)
    # Paper 1 has A and C, ranked A, B, C, D; paper 2 has B, C and D, ranked D, A, B, C.
    applies = np.array([[1, 0, 1, 0], [0, 1, 1, 1]], bool)
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.8, 0.7, 0.6, 0.9]], np.float32)
    figures = figures_at_k(totals(addends_at_k(applies, scores, propensities)), 2)
    # What is attained, paper 1 + paper 2, over what is attainable: C, A and D, C, B.
    assert figures['propensity_scored_precision_at_1'] == (1 + 8) / (4 + 8)
    assert figures['propensity_scored_precision_at_3'] == ((1 + 4) + (8 + 2)) / ((4 + 1) + (8 + 4 + 2))
    assert figures['propensity_scored_precision_at_5'] == 1
    second = 1 / math.log2(3)
    third, fourth = 1 / 2, 1 / math.log2(5)
    ideal_1, ideal_2 = 1 + second, 1 + second + third
    best = (4 + second) / ideal_1 + (8 + 4 * second + 2 * third) / ideal_2
    assert figures['propensity_scored_ndcg_at_1'] == (1 + 8) / (4 + 8)
    assert figures['propensity_scored_ndcg_at_3'] == pytest.approx(
        ((1 + 4 * third) / ideal_1 + (8 + 2 * third) / ideal_2) / best, rel=1e-12
    )
    assert figures['propensity_scored_ndcg_at_5'] == pytest.approx(
        ((1 + 4 * third) / ideal_1 + (8 + 2 * third + 4 * fourth) / ideal_2) / best, rel=1e-12
    )


def test_the_best_ranking_attains_everything():
    truth, _ = random_papers(100, 30, 1)
    propensities = np.linspace(1, 0.05, 30, dtype=np.float32)
    # Labels that apply come first, those of the lowest propensity before the others.
    figures = figures_at_k(
        totals(addends_at_k(truth, (truth / (1 + propensities)).astype(np.float32), propensities)), 100
    )
    scored = [value for name, value in figures.items() if name.startswith('propensity_scored')]
    assert scored == [1.0] * 6


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), labels=st.integers(2, 12), tied=st.booleans())
def test_coverage_error_and_average_precision_of_the_ranking_are_those_of_scikit_learn(seed, labels, tied):
    truth, scores = random_papers(30, labels, seed, tied)
    assert figures_of_ranks(totals(addends_of_ranks(truth, scores)), 30) == {
        'coverage_error': pytest.approx(sklearn_metrics.coverage_error(truth, scores), rel=1e-12),
        'label_ranking_average_precision': pytest.approx(
            sklearn_metrics.label_ranking_average_precision_score(truth, scores), rel=1e-11
        ),
    }


def test_negative_zero_is_tied_with_zero():
    truth, scores = np.array([[True, False]]), np.array([[-0.0, 0.0]], np.float32)
    assert figures_of_ranks(totals(addends_of_ranks(truth, scores)), 1) == {
        'coverage_error': 2.0,
        'label_ranking_average_precision': 0.5,
    }
