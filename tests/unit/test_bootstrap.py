"""Intervals are those of the bootstrap, whatever the batches, and lie around the figures that are published."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import per_paper
from trainer.bootstrap import PoissonBootstrap
from trainer.metrics import StreamingMetrics


def accuracy(sums, papers):
    return {'accuracy': sums['right'] / papers}


def drawn(values, cuts=(), **settings):
    """A bootstrap of papers that add these values to the sum `right`, in batches that end at the cuts."""
    bootstrap = PoissonBootstrap(**settings)
    for batch in np.split(np.array(values, np.int64), cuts):
        bootstrap.add({'right': batch})
    return bootstrap


def test_an_interval_is_as_wide_as_the_normal_approximation_says():
    # 400 of 1,600 papers: the standard error of the share is sqrt(.25 * .75 / 1600) = .0108.
    [(low, high)] = drawn([1, 0, 0, 0] * 400, replicates=4000).intervals(accuracy).values()
    error = math.sqrt(0.25 * 0.75 / 1600)
    assert (low, high) == pytest.approx((0.25 - 1.96 * error, 0.25 + 1.96 * error), abs=0.1 * error)


def test_the_level_says_how_many_replicates_are_in_the_middle():
    bootstrap = drawn([1, 0] * 50)
    shares = sorted(sums['right'] / papers for sums, papers in bootstrap.replicates())
    low, high = bootstrap.intervals(accuracy, level=0.8)['accuracy']
    assert len(shares) == 500
    assert sum(low <= share <= high for share in shares) == pytest.approx(400, abs=8)


def test_papers_are_drawn_once_on_average_and_with_all_that_they_add():
    bootstrap = PoissonBootstrap(replicates=2000)
    bootstrap.add({'one': np.ones(300, np.int64), 'large': np.full(300, (1 << 50) + 3)})
    for sums, papers in bootstrap.replicates():
        assert sums == {'one': papers, 'large': papers * ((1 << 50) + 3)}
    numbers = [papers for _, papers in bootstrap.replicates()]
    assert np.mean(numbers) == pytest.approx(300, abs=2)
    # Of a Poisson distribution, the variance is the mean.
    assert np.var(numbers) == pytest.approx(300, rel=0.1)


@given(cuts=st.lists(st.integers(0, 1500), max_size=4).map(sorted))
def test_draws_do_not_depend_on_the_batches(cuts):
    values = np.arange(1500) % 7
    assert list(drawn(values, cuts, replicates=20).replicates()) == list(drawn(values, replicates=20).replicates())


def test_another_seed_draws_other_papers_and_the_same_seed_the_same():
    first, again, other = (list(drawn([1, 0, 0] * 9, seed=seed).replicates()) for seed in (1, 1, 2))
    assert first == again != other


def test_replicates_without_papers_are_left_out_and_without_papers_there_is_no_interval():
    # A single paper is not drawn in a replicate with probability 1/e.
    assert 280 < len(list(drawn([1]).replicates())) < 350
    assert drawn([1]).intervals(accuracy) == {'accuracy': (1.0, 1.0)}
    assert PoissonBootstrap().intervals(accuracy) == {}
    assert drawn([]).intervals(accuracy) == {}


@given(seed=st.integers(0, 1000))
def test_the_sums_of_all_papers_give_the_figures_of_metrics_json_to_the_last_bit(seed):
    random = np.random.default_rng(seed)
    applies = random.random((40, 6)) < 0.3
    applies[np.arange(40), random.integers(6, size=40)] = True
    scores = random.random((40, 6)).astype(np.float32)
    thresholds, propensities = (random.uniform(0.2, 1, 6).astype(np.float32) for _ in range(2))
    metrics = StreamingMetrics(6, thresholds, propensities)
    metrics.add(applies, scores)
    figures = per_paper.figures(per_paper.totals(per_paper.addends(applies, scores, thresholds, propensities)), 40, 6)
    result = metrics.result()
    assert {'precision_at_1', 'ndcg_at_5', 'micro_f1', 'example_f1'} <= figures.keys()
    assert figures == {name: result[name] for name in figures}
    # Those of `StreamingMetrics` that are counted by label agree.
    found, wrong = metrics.true_positives.sum(), (metrics.false_positives + metrics.false_negatives).sum()
    assert figures['micro_f1'] == 2 * found / (2 * found + wrong)
    assert figures['hamming_loss'] == wrong / 240
