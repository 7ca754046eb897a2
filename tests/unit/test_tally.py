"""Tallies become a tree of counts."""

import random

from pipeline.tally import Counts, nested


def test_paths_become_a_tree_in_the_order_of_their_names():
    tallies = [
        (('rejected', 'too_long'), 2),
        (('labels', 'cs.LG', 'train'), 5),
        (('read',), 9),
        (('labels', 'cs.CV', 'test'), 1),
        (('rejected', 'malformed_csv'), 1),
        (('labels', 'cs.LG', 'test'), 3),
    ]
    expected = (
        "{'labels': {'cs.CV': {'test': 1}, 'cs.LG': {'test': 3, 'train': 5}}, 'read': 9, "
        "'rejected': {'malformed_csv': 1, 'too_long': 2}}"
    )
    for seed in range(10):
        random.Random(seed).shuffle(tallies)
        assert str(nested(tallies)) == expected


def test_no_tallies_make_an_empty_tree():
    assert nested([]) == {}


def test_counts_are_given_away_once_in_the_global_window():
    counts = Counts()
    counts[('read',)] += 2
    counts.update([('rejected', 'too_long'), ('rejected', 'too_long')])
    flushed = list(counts.flush())
    assert {value.value for value in flushed} == {(('read',), 2), (('rejected', 'too_long'), 2)}
    assert {str(window) for value in flushed for window in value.windows} == {'GlobalWindow'}
    assert list(counts.flush()) == []
