"""Papers are divided in the same shares for every label, by what they are and never by how they come."""

import collections
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SplitConfig
from pipeline.split import Cuts, Quota, cuts, quotas, split_of
from schemas.errors import JobError

ABOVE_EVERY_HASH = 2**62
ALONE = SplitConfig(tolerance=1)
LABEL_SETS = st.dictionaries(
    st.lists(st.sampled_from('abcdefgh'), min_size=1, max_size=3, unique=True).map(
        lambda names: ' '.join(sorted(names))
    ),
    st.integers(1, 400),
    min_size=1,
)
CONFIGS = st.builds(
    SplitConfig,
    validation=st.floats(0.01, 0.45),
    test=st.floats(0.01, 0.45),
    seed=st.integers(0, 9),
    tolerance=st.sampled_from([0.0001, 0.001, 0.01, 0.05, 1]),
    tolerance_papers=st.sampled_from([1, 100]),
)


def realistic_label_sets(papers, seed):
    """Counts of label sets as arXiv has them: a few frequent ones, and a long tail of sets that two papers share."""
    chance = random.Random(seed)
    labels = [f'l{rank:03d}' for rank in range(150)]
    weights = [1 / (rank + 2) for rank in range(150)]
    counts = collections.Counter(
        ' '.join(sorted(set(chance.choices(labels, weights, k=chance.choice([1, 1, 2, 2, 3, 4, 6])))))
        for _ in range(papers)
    )
    return {name: count for name, count in counts.items() if count >= 2}


def label_shares(counts, parts):
    """Label -> (its papers, its share in `parts`)."""
    papers, taken = collections.Counter(), collections.Counter()
    for name, count in counts.items():
        for label in name.split():
            papers[label] += count
            taken[label] += parts[name]
    return {label: (papers[label], taken[label] / papers[label]) for label in papers}


@pytest.mark.parametrize(('papers', 'labels'), [(6_000, 8), (30_000, 46)])
@pytest.mark.parametrize('seed', [0, 1])
def test_every_label_of_a_hundred_papers_has_its_shares_within_a_percentage_point(papers, labels, seed):
    counts = realistic_label_sets(papers, seed)
    found = quotas(counts, SplitConfig(seed=seed))
    for part in ('test', 'validation'):
        shares = label_shares(counts, {name: getattr(quota, part) for name, quota in found.items()})
        frequent = {label: share for label, (number, share) in shares.items() if number >= 100}
        assert len(frequent) >= labels
        assert {label: share for label, share in frequent.items() if not 0.04 <= share <= 0.06} == {}


def test_the_test_of_the_shares_is_one_that_rounding_alone_does_not_pass():
    counts = realistic_label_sets(6_000, 0)
    found = quotas(counts, ALONE)
    shares = label_shares(counts, {name: quota.test for name, quota in found.items()})
    assert any(not 0.04 <= share <= 0.06 for number, share in shares.values() if number >= 100)


def test_a_label_set_with_whole_shares_gets_exactly_these():
    assert quotas({'cs.LG': 1000}, ALONE) == {'cs.LG': Quota(test=50, validation=50)}
    assert quotas({'cs.LG': 1000}, SplitConfig(validation=0.2, test=0.1)) == {'cs.LG': Quota(test=100, validation=200)}


@given(counts=LABEL_SETS, config=CONFIGS)
def test_each_label_set_has_its_share_rounded_and_no_paper_is_in_two_parts(counts, config):
    found = quotas(counts, config)
    assert found.keys() == counts.keys()
    for name, papers in counts.items():
        test, validation = found[name]
        assert math.floor(papers * config.test) <= test <= math.floor(papers * config.test) + 1
        assert validation <= math.floor(papers * config.validation) + 1
        assert validation >= min(math.floor(papers * config.validation), papers - test)
        assert test + validation <= papers


@given(counts=LABEL_SETS, config=CONFIGS, order=st.randoms(use_true_random=False))
def test_quotas_do_not_depend_on_the_order_of_the_label_sets(counts, config, order):
    shuffled = list(counts.items())
    order.shuffle(shuffled)
    assert quotas(dict(shuffled), config) == quotas(counts, config)


@given(counts=LABEL_SETS, others=LABEL_SETS, seed=st.integers(0, 9))
def test_papers_of_other_label_sets_change_no_quota_if_each_set_is_left_to_itself(counts, others, seed):
    config = SplitConfig(tolerance=1, seed=seed)
    alone = quotas(counts, config)
    together = quotas(others | counts, config)
    assert {name: together[name] for name in counts} == alone


@given(counts=LABEL_SETS, others=LABEL_SETS, seed=st.integers(0, 9))
def test_papers_of_other_label_sets_turn_roundings_at_most(counts, others, seed):
    config = SplitConfig(seed=seed, tolerance_papers=1)
    alone = quotas(counts, config)
    together = quotas(others | counts, config)
    for name in counts:
        assert abs(alone[name].test - together[name].test) <= 1
        assert abs(alone[name].validation - together[name].validation) <= 1


def test_what_a_new_dump_adds_turns_few_roundings():
    counts = realistic_label_sets(30_000, 0)
    more = counts | {f'{name} new': papers for name, papers in realistic_label_sets(3_000, 1).items()}
    before, after = quotas(counts, SplitConfig()), quotas(more, SplitConfig())
    moved = sum(before[name] != after[name] for name in counts)
    assert moved < 0.02 * len(counts)


@pytest.mark.parametrize('size', [1, 2])
def test_of_many_small_label_sets_as_many_papers_are_for_testing_as_of_few_large_ones(size):
    counts = {f'set{number}': size for number in range(20_000)}
    found = quotas(counts, ALONE).values()
    assert {quota.test for quota in found} == {0, 1}
    for part in zip(*found, strict=True):
        assert 0.045 < sum(part) / (20_000 * size) < 0.056


def test_another_seed_rounds_other_label_sets_up():
    counts = {f'set{number}': 2 for number in range(1000)}
    assert quotas(counts, SplitConfig(seed=0, tolerance=1)) != quotas(counts, SplitConfig(seed=1, tolerance=1))


def test_a_goal_that_no_rounding_reaches_ends_in_the_nearest():
    # 5 and 6 of 110 papers are equally far from 5.5.
    [quota] = quotas({'cs.LG': 110}, SplitConfig(tolerance=0.001)).values()
    assert {quota.test, quota.validation} <= {5, 6}


def test_without_papers_the_message_says_which_flag_keeps_some():
    with pytest.raises(JobError, match='Say --min_label_set_papers 1 to keep them all'):
        quotas({}, SplitConfig())


HASHES = st.lists(st.integers(0, ABOVE_EVERY_HASH - 1), unique=True, min_size=1)


@given(hashes=HASHES, data=st.data(), order=st.randoms(use_true_random=False))
def test_each_part_gets_its_quota_the_smallest_hashes_for_testing(hashes, data, order):
    test = data.draw(st.integers(0, len(hashes)))
    validation = data.draw(st.integers(0, len(hashes) - test))
    shuffled = list(hashes)
    order.shuffle(shuffled)
    cuts_ = cuts(shuffled, Quota(test, validation))
    ordered = sorted(hashes)
    expected = ['test'] * test + ['validation'] * validation + ['train'] * (len(hashes) - test - validation)
    assert [split_of(value, cuts_) for value in ordered] == expected


def test_a_label_set_all_of_whose_papers_are_for_testing_has_a_cut_above_every_hash():
    assert cuts([3, 1], Quota(test=2, validation=0)) == Cuts(ABOVE_EVERY_HASH, ABOVE_EVERY_HASH)


def test_a_paper_keeps_its_split_when_its_label_set_grows_by_papers_of_larger_hashes():
    before, after = cuts(range(100), Quota(5, 5)), cuts(range(200), Quota(10, 10))
    assert before == Cuts(5, 10)
    assert after == Cuts(10, 20)
