"""Distances have the values and properties of their definitions; thresholds know what chance does."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import drift
from schemas.drift import chance_psi, compare, conclusion, drift_summary, jensen_shannon_distance
from schemas.drift import population_stability_index as psi
from schemas.profile import Profile
from tests.helpers import validate
from tests.tagged import answers

COUNTS = st.integers(1, 12).flatmap(
    lambda cells: st.tuples(*[st.lists(st.integers(0, 1 << 40), min_size=cells, max_size=cells).filter(any)] * 2)
)
LABELS = ('cs.LG', 'hep-th', 'math.CO')


def sample(papers, seed, words=150, unknown=20, shares=(0.6, 0.3, 0.1), best=0.7):
    """A profile of random papers."""
    random = np.random.default_rng(seed)
    profile = Profile.empty(20)
    firsts = random.choice(3, papers, p=shares)
    columns = zip(
        firsts.tolist(),
        np.clip(random.normal(best, 0.1, papers), 0, 1).tolist(),
        random.poisson(words, papers).tolist(),
        np.clip(random.normal(unknown, 4, papers).astype(int), 0, 100).tolist(),
        strict=True,
    )
    batch = [
        ([LABELS[first], LABELS[first - 1]], score, score > 0.5, length, rare, {first, *range(10, 15)})
        for first, score, length, rare in columns
    ]
    profile.add(answers(batch, ngrams=20))
    return profile


@pytest.mark.parametrize(
    ('reference', 'new', 'squared'),
    [
        ([3, 1], [3, 1], 0),
        ([3, 1], [300, 100], 0),
        ([5, 0], [0, 2], 1),
        # p = (1/2, 1/2), q = (0, 1), m = (1/4, 3/4).
        ([1, 1], [0, 7], (math.log2(2) / 2 + math.log2(2 / 3) / 2 + math.log2(4 / 3)) / 2),
        # p = (1/2, 1/2, 0), q = (0, 1/2, 1/2): KL to m is 1/2 on either side.
        ([4, 4, 0], [0, 9, 9], 1 / 2),
    ],
)
def test_the_jensen_shannon_distance_of_known_shares(reference, new, squared):
    assert jensen_shannon_distance(reference, new) == pytest.approx(math.sqrt(squared), abs=1e-12)


@pytest.mark.parametrize(
    ('reference', 'new', 'value'),
    [
        ([9, 9], [99, 99], 0),
        # With 1/2 in each cell, shares of 1/4 and 3/4 against 1/2 and 1/2.
        ([0.5, 2.5], [1.5, 1.5], math.log(2) / 4 - math.log(2 / 3) / 4),
        # An empty cell on one side: (10.5, 0.5) / 11 against (5.5, 5.5) / 11. One on both sides is none.
        ([10, 0, 0], [5, 5, 0], 5 / 11 * math.log(10.5 / 5.5) + 5 / 11 * math.log(5.5 / 0.5)),
    ],
)
def test_the_population_stability_index_of_known_shares(reference, new, value):
    assert psi(reference, new) == pytest.approx(value, abs=1e-12)


@given(sides=COUNTS)
def test_the_distance_is_symmetric_between_0_and_1_and_0_for_equal_shares(sides):
    reference, new = sides
    distance = jensen_shannon_distance(reference, new)
    assert 0 <= distance <= 1
    assert distance == pytest.approx(jensen_shannon_distance(new, reference), abs=1e-7)
    assert jensen_shannon_distance(reference, reference) == 0


@given(sides=COUNTS)
def test_the_index_is_symmetric_finite_and_never_below_0(sides):
    reference, new = sides
    assert 0 <= psi(reference, new) < math.inf
    assert psi(reference, new) == pytest.approx(psi(new, reference), abs=1e-9)
    assert psi(reference, reference) == 0


@pytest.mark.parametrize('new', [[0, 0], [1, 2, 3], [-1, 2], [[1, 2]]])
def test_counts_that_cannot_be_shares_are_refused(new):
    for measure in (jensen_shannon_distance, psi):
        with pytest.raises(ValueError, match=r'^counts of '):
            measure([1, 2], new)


@pytest.mark.parametrize(('cells', 'quantile'), [(5, 18.47), (10, 27.88), (101, 149.4)])
def test_what_chance_allows_is_the_999th_permille_of_chi_squared(cells, quantile):
    assert chance_psi(cells, 1000, 4000) == pytest.approx(quantile * 5 / 4000, rel=0.03)


def test_chance_alone_passes_what_is_allowed_for_it_hardly_ever():
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(10))
    draws = random.multinomial(500, shares, size=(1000, 2))
    allowed = chance_psi(10, 500, 500)
    assert sum(psi(*pair) > allowed for pair in draws) <= 5
    root = math.sqrt(allowed / (8 * math.log(2)))
    assert sum(jensen_shannon_distance(*pair) > root for pair in draws) <= 5


@pytest.mark.parametrize('papers', [200, 1000, 5000])
def test_papers_of_the_same_kind_are_not_flagged_however_few_are_judged(papers):
    report = compare(sample(5000, seed=1), sample(papers, seed=2))
    assert (report['judged'], report['drifted']) == (True, [])


@pytest.mark.parametrize(
    ('change', 'flagged'),
    [
        ({'unknown': 30}, ['out_of_vocabulary']),
        ({'words': 250}, ['length']),
        ({'best': 0.6}, ['best_score']),
        ({'shares': (0.02, 0.03, 0.95)}, ['accepted_labels', 'first_labels', 'ngrams']),
    ],
)
def test_what_changed_is_flagged_and_nothing_else(change, flagged):
    assert compare(sample(5000, seed=1), sample(1000, seed=2, **change))['drifted'] == flagged


def test_few_papers_are_described_but_not_judged():
    report = compare(sample(5000, seed=1), sample(199, seed=2, unknown=60))
    assert (report['judged'], report['drifted'], report['papers']) == (False, [], 199)
    measure = report['measures']['out_of_vocabulary']
    assert measure['drifted'] is None
    assert measure['jensen_shannon_distance'] > measure['distance_threshold']
    assert conclusion(report).endswith('; not judged: 199 papers are too few, 200 are needed')


@pytest.mark.parametrize('sides', itertools.product([0, 500], repeat=2))
def test_without_papers_there_is_nothing_to_compare(sides):
    report = compare(*(sample(papers, seed=papers) if papers else Profile.empty(20) for papers in sides))
    assert report['judged'] == (sides == (500, 500))
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_thresholds_fall_to_the_base_as_papers_grow_in_number():
    few, many = (compare(sample(5000, 1), sample(papers, 2))['measures']['length'] for papers in (200, 5000))
    base = drift.BASES['length']
    assert few['distance_threshold'] > many['distance_threshold'] > base.distance
    assert few['psi_threshold'] > many['psi_threshold'] > base.psi


def test_what_moved_most_comes_first():
    report = compare(sample(1000, seed=1), sample(1000, seed=2, shares=(0.1, 0.3, 0.6)))
    assert {moved['label'] for moved in report['labels'][:2]} == {'cs.LG', 'math.CO'}
    assert {moved['id'] for moved in report['ngrams'][:2]} == {0, 2}
    moves = [abs(moved['new'] - moved['reference']) for moved in report['ngrams']]
    assert moves == sorted(moves, reverse=True)
    assert len(moves) == 10


def test_a_summary_says_what_a_run_needs_to_know():
    summary = drift_summary(sample(1000, seed=1), sample(1000, seed=2, unknown=30))
    assert summary['drifted'] == ['out_of_vocabulary']
    assert summary['conclusion'] == (
        f'drift: out-of-vocabulary share {summary["measures"]["out_of_vocabulary"]["new"]:.1%} '
        f'(reference {summary["measures"]["out_of_vocabulary"]["reference"]:.1%}); flagged: out_of_vocabulary'
    )
    assert set(summary) == {'conclusion', 'reference_papers', 'papers', 'judged', 'drifted', 'measures'}


def test_profiles_of_other_vocabularies_are_not_compared():
    with pytest.raises(ValueError, match=r'^profiles of 20 and 3 n-grams$'):
        compare(sample(300, seed=1), Profile.empty(3))


def test_a_report_is_as_its_schema_describes_it():
    report = compare(sample(1000, seed=1), sample(300, seed=2))
    report['ngrams'] = [{'ngram': 'the', **moved} for moved in report['ngrams']]
    figures = dict.fromkeys(('precision_at_1', 'precision_at_3', 'ndcg_at_5', 'micro_f1'), 0.5)
    validate(
        {
            **report,
            'conclusion': conclusion(report),
            'read': 301,
            'rejected': {'missing_title': 1},
            'refused_by_model': 0,
            'months': [{'month': '2026-01', 'papers': 3, **figures}],
            'parity': {'papers': 9, 'largest_difference': 0.0, 'tolerance': 1e-5},
            'model_version': '1',
        },
        'drift',
    )
