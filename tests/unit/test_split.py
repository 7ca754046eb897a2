"""Papers are divided in the same shares for every label, by what they are and never by how they come."""

import collections
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import SplitConfig
from pipeline.hashing import keyed_hash
from pipeline.index import INDEX
from pipeline.split import Quota, divide, order_hash, quotas
from schemas.errors import JobError
from schemas.features import SPLITS

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


WORDS = st.integers(0, 2**64 - 1)
# Label sets 0 to 4, and the high and low half of ids, some of which share a half.
DIVIDED = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5) | WORDS, st.integers(0, 5) | WORDS), unique_by=lambda row: row[1:]
)


def index_rows(papers):
    """INDEX rows of (label set, high, low) triples."""
    rows = np.zeros(len(papers), INDEX)
    for column, values in zip(('label_set', 'id_high', 'id_low'), zip(*papers, strict=True), strict=False):
        rows[column] = np.array(values, np.uint64)
    return rows


def divided(rows, quotas_, seed=0):
    """(label set, high, low) of a paper -> its split."""
    found, splits = divide(rows, quotas_, seed)
    keys = found[['label_set', 'id_high', 'id_low']].tolist()
    return dict(zip(keys, (SPLITS[split] for split in splits), strict=True))


def spread_evenly(papers, seed=0):
    """Papers of label set 0, by their order."""
    rows = index_rows([(0, 0, low) for low in range(papers)])
    return [(0, 0, int(low)) for low in np.argsort(order_hash(rows['id_low'], seed))]


@given(papers=DIVIDED, data=st.data(), seed=st.integers(0, 9))
def test_each_part_gets_its_quota_the_first_papers_of_the_order_for_testing(papers, data, seed):
    quotas_, expected = {}, {}
    for name in range(4):
        members = [found for found in papers if found[0] == name]
        test = data.draw(st.integers(0, len(members)))
        validation = data.draw(st.integers(0, len(members) - test))
        quotas_[name] = Quota(test, validation)
        members.sort(key=lambda found: (int(order_hash(np.array(found[2:], np.uint64), seed)[0]), found[1]))
        parts = ['test'] * test + ['validation'] * validation + ['train'] * (len(members) - test - validation)
        expected |= dict(zip(members, parts, strict=True))
    # Label set 4 has no quota: its papers are left out.
    assert divided(index_rows(papers), quotas_, seed) == expected


@given(papers=DIVIDED, order=st.randoms(use_true_random=False))
def test_the_division_does_not_depend_on_the_order_of_the_papers(papers, order):
    quotas_ = dict.fromkeys(range(5), Quota(1, 1))
    shuffled = list(papers)
    order.shuffle(shuffled)
    assert divided(index_rows(shuffled), quotas_) == divided(index_rows(papers), quotas_)


@given(papers=DIVIDED, partitions=st.integers(1, 4))
def test_label_sets_can_be_divided_apart(papers, partitions):
    quotas_ = dict.fromkeys(range(5), Quota(1, 1))
    apart = [[found for found in papers if found[0] % partitions == part] for part in range(partitions)]
    found = [divided(index_rows(part), quotas_) for part in apart]
    assert divided(index_rows(papers), quotas_) == {paper: split for part in found for paper, split in part.items()}


def test_a_label_set_all_of_whose_papers_are_for_testing_leaves_none_for_training():
    assert divided(index_rows([(3, 0, 1), (3, 0, 2)]), {3: Quota(2, 0)}) == {(3, 0, 1): 'test', (3, 0, 2): 'test'}


def test_of_no_papers_none_is_divided():
    rows, splits = divide(np.empty(0, INDEX), {1: Quota(1, 1)}, 0)
    assert (len(rows), splits.dtype, len(splits)) == (0, np.uint8, 0)


def test_a_paper_keeps_its_split_when_its_label_set_grows_by_papers_that_come_later_in_the_order():
    order = spread_evenly(200)
    before = divided(index_rows(order[:100]), {0: Quota(5, 5)})
    after = divided(index_rows(order), {0: Quota(5, 5)})
    assert {paper: after[paper] for paper in before} == before
    grown = divided(index_rows(order), {0: Quota(10, 10)})
    assert [paper for paper in order if grown[paper] == 'test'] == order[:10]
    assert [paper for paper in order if grown[paper] == 'validation'] == order[10:20]


def test_another_seed_takes_other_papers_for_testing():
    first, second = spread_evenly(2000, seed=0)[:1000], spread_evenly(2000, seed=1)[:1000]
    # Half of the papers by chance, give or take five standard deviations of 11.
    assert abs(len({*first} & {*second}) - 500) < 56


def test_the_order_is_that_of_splitmix64_on_any_machine():
    # The first two numbers of the generator with seed 0: its state grows by the golden ratio each time.
    golden = np.array([0x9E3779B97F4A7C15], np.uint64)
    offset = np.uint64(keyed_hash('', 'split 3'))
    assert order_hash(golden - offset, 3).tolist() == [0xE220A8397B1DCDAF]
    assert order_hash(np.uint64(2) * golden - offset, 3).tolist() == [0x6E789E6AA1B965F4]


@given(ids=st.lists(WORDS, unique=True), seed=st.integers(0, 9))
def test_no_two_ids_have_the_same_place_in_the_order(ids, seed):
    assert len({*order_hash(np.array(ids, np.uint64), seed).tolist()}) == len(ids)
