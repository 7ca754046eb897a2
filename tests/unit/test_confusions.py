"""A label that was missed counts with each label that was given wrongly to the same paper."""

import collections

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.confusions import Confusions


def counted(applies, scores, thresholds, cuts=()):
    confusions = Confusions(thresholds)
    for rows in np.split(np.arange(len(applies)), cuts):
        confusions.add(applies[rows], scores[rows])
    return confusions


def test_pairs_of_a_missed_and_a_wrong_label_are_counted_the_most_frequent_first():
    applies = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]])
    scores = np.array(
        [
            [0.4, 0.6, 0, 0],  # 0 missed, 1 given
            [0.4, 0.6, 0.5, 0],  # 0 missed, 2 given; 1 is right
            [0.4, 0.5, 0.5, 0],  # 0 and 3 missed, 1 and 2 given
            [0, 0, 0.4, 0],  # 2 missed, nothing given
            [0.5, 0, 0.9, 0],  # 2 given, but nothing missed
        ],
        np.float32,
    )
    confusions = counted(applies, scores, [0.5] * 4)
    # Label, given, papers, papers with the label.
    assert [tuple(pair) for pair in confusions.most_frequent(50)] == [
        (0, 1, 2, 4), (0, 2, 2, 4), (3, 1, 1, 1), (3, 2, 1, 1),
    ]  # fmt: skip
    assert [tuple(pair) for pair in confusions.most_frequent(1)] == [(0, 1, 2, 4)]


def test_each_label_has_its_own_threshold():
    confusions = counted(np.array([[1, 0]]), np.array([[0.5, 0.25]], np.float32), [0.75, 0.25])
    assert [tuple(pair) for pair in confusions.most_frequent(9)] == [(0, 1, 1, 1)]
    assert counted(np.array([[1, 0]]), np.array([[0.5, 0.25]], np.float32), [0.5, 0.25]).most_frequent(9) == []


def test_without_papers_there_are_none():
    assert Confusions([0.5, 0.5]).most_frequent(50) == []
    assert counted(np.zeros((0, 2)), np.zeros((0, 2), np.float32), [0.5, 0.5]).most_frequent(50) == []


@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 20), max_size=3).map(sorted))
def test_pairs_are_those_that_one_counts_paper_by_paper_however_they_are_batched(seed, cuts):
    random = np.random.default_rng(seed)
    applies, scores = random.random((20, 5)) < 0.4, random.random((20, 5)).astype(np.float32)
    expected = collections.Counter(
        (label, given)
        for has, score in zip(applies, scores, strict=True)
        for label in range(5)
        for given in range(5)
        if has[label] and score[label] < 0.5 and not has[given] and score[given] >= 0.5
    )
    pairs = counted(applies, scores, [0.5] * 5, cuts).most_frequent(25)
    assert {(pair.label, pair.given): pair.papers for pair in pairs} == expected
    assert all(pair.of == applies[:, pair.label].sum() for pair in pairs)
    assert pairs == sorted(pairs, key=lambda pair: (-pair.papers, pair.label, pair.given))
