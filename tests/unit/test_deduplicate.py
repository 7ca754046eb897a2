"""Of papers that are the same one stays, and which one does not depend on the order they come in."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deduplicate import newest
from pipeline.index import INDEX, index_of
from schemas.paper import Paper
from tests.helpers import paper

PAPERS = st.builds(
    Paper,
    id=st.sampled_from(['a', 'b', 'c']),
    title=st.sampled_from(['T', 't.', 'U']),
    abstract=st.sampled_from(['A', 'B']),
    labels=st.sampled_from([('cs.CV',), ('cs.CV', 'cs.LG'), ('cs.LG',)]),
    updated=st.sampled_from(['', '2018-12-31', '2019-01-01']),
    version=st.integers(0, 3),
)
KEYS = st.sampled_from(['id', 'title'])


def kept(papers, key):
    """The papers that stay, in the order of the list."""
    return [papers[row] for row in sorted(newest(index_of(papers, 0), key)['row'].tolist())]


def rank(found):
    """What `newest` compares, as a definition: the smallest stays."""
    [row] = index_of([found], 0)
    return (-int(row['recency']), int(row['id_high']), int(row['id_low']), int(row['content']))


@pytest.mark.parametrize(
    ('stays', 'other'),
    [
        ({'updated': '2019-01-02', 'version': 1}, {'updated': '2019-01-01', 'version': 9}),
        ({'updated': '0001-01-01'}, {'updated': '', 'version': 9}),
        ({'updated': '2019-01-01', 'version': 10}, {'updated': '2019-01-01', 'version': 9}),
    ],
)
@pytest.mark.parametrize('key', ['id', 'title'])
def test_the_latest_stays_then_the_highest_version(stays, other, key):
    stays, other = (dataclasses.replace(paper('x'), **fields) for fields in (stays, other))
    assert kept([stays, other], key) == kept([other, stays], key) == [stays]


def test_of_ids_that_are_equally_new_the_one_with_the_smallest_hash_stays():
    papers = [paper(id_, title='T') for id_ in ('a', 'b', 'c', 'd')]
    assert kept(papers, 'title') == kept(papers[::-1], 'title') == [paper('c', title='T')]
    assert kept(papers, 'id') == papers


@pytest.mark.parametrize('field', ['title', 'abstract', 'labels'])
def test_of_contents_that_are_equally_new_the_same_one_stays_each_time(field):
    one, other = (dataclasses.replace(paper('x'), **{field: value}) for value in ('cs.CV', 'cs.LG'))
    assert kept([one, other], 'id') == kept([other, one], 'id') == [min(one, other, key=rank)]


def test_of_a_dump_that_is_given_twice_each_paper_stays_once():
    once = index_of([paper('a'), paper('b'), paper('c')], 5)
    for key in ('id', 'title'):
        assert sorted(newest(np.concatenate([once, once, once]), key).tolist()) == sorted(once.tolist())


def test_of_copies_in_several_blocks_the_first_stays():
    copies = [index_of([paper('b'), paper('a')], 4), index_of([paper('a')], 3), index_of([paper('a')], 9)]
    found = newest(np.concatenate(copies), 'id')
    assert sorted(zip(found['block'].tolist(), found['row'].tolist(), strict=True)) == [(3, 0), (4, 0)]


def test_keys_that_agree_in_half_of_their_hash_are_different():
    rows = np.concatenate([index_of([paper('a')], 0)] * 4)
    rows['id_low'] = [7, 8, 7, 8]
    rows['recency'] = [1, 1, 2, 0]
    assert sorted(newest(rows, 'id')[['id_low', 'recency']].tolist()) == [(7, 2), (8, 1)]


@given(papers=st.lists(PAPERS), key=KEYS)
def test_of_each_key_the_paper_of_the_best_rank_stays(papers, key):
    columns = [f'{key}_high', f'{key}_low']
    best = {}
    for row, found in zip(index_of(papers, 0)[columns].tolist(), papers, strict=True):
        best[row] = min(best.get(row, found), found, key=rank)
    assert {row: rank(found) for row, found in best.items()} == {
        index_of([found], 0)[columns].tolist()[0]: rank(found) for found in kept(papers, key)
    }
    assert len(kept(papers, key)) == len(best)


@given(papers=st.lists(PAPERS), key=KEYS, order=st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(papers, key, order):
    rows = index_of(papers, 0)
    shuffled = [*range(len(rows))]
    order.shuffle(shuffled)
    assert newest(rows[np.array(shuffled, int)], key).tolist() == newest(rows, key).tolist()


@given(groups=st.lists(st.lists(PAPERS), min_size=1), key=KEYS)
def test_the_newest_of_the_newest_is_the_newest_of_all(groups, key):
    rows = [index_of(papers, block) for block, papers in enumerate(groups)]
    of_groups = np.concatenate([newest(group, key) for group in rows])
    assert newest(of_groups, key).tolist() == newest(np.concatenate(rows), key).tolist()


def test_of_no_papers_none_stays():
    assert newest(np.empty(0, INDEX), 'id').tolist() == []
