"""Labels are suspect where the model is sure of the contrary, surer than it usually is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.label_errors import label_errors


def one_label(has, scores):
    """Truth and scores of papers that may have one label."""
    return np.array(has, bool)[:, None], np.array(scores, np.float32)[:, None]


def found(has, scores, number=50, fewest_papers=2):
    return [(error.paper, error.in_data) for error in label_errors(*one_label(has, scores), number, fewest_papers)]


# Papers 0 to 3 have the label: its score is .625 on average; papers 4 to 7 have it not: 1 - score is .75 on average.
HAS = [1, 1, 1, 1, 0, 0, 0, 0]
SCORES = [0.875, 0.75, 0.75, 0.125, 0.0, 0.125, 0.125, 0.75]


def test_a_label_that_is_surely_wrong_and_one_that_is_surely_missing_are_found():
    errors = label_errors(*one_label(HAS, SCORES), 50, fewest_papers=2)
    # Paper 7: (.75 - .625) - (.25 - .75); paper 3: (.875 - .75) - (.125 - .625).
    assert [tuple(error) for error in errors] == [
        (3, 0, 0.125, True, 0.625),
        (7, 0, 0.75, False, 0.625),
    ]


def test_what_the_model_is_less_sure_of_than_usual_is_not_suspect():
    # For papers with the label .9 is usual, so that .75 says little; for those without it, 1 - score is .9.
    assert found([1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0.6, 0, 0, 0, 0.75]) == []


def test_what_is_surer_than_usual_but_unlikely_is_not_suspect():
    # The model hardly knows the label: less than .1 is usual for papers that have it, but .375 makes it no likely one.
    assert (2, False) not in found([1, 1, 0, 0], [0.125, 0.0625, 0.375, 0])
    assert (2, False) in found([1, 1, 0, 0], [0.125, 0.0625, 0.625, 0])


def test_labels_that_few_or_all_papers_have_are_passed_over():
    assert found(HAS, SCORES, fewest_papers=4) == [(3, True), (7, False)]
    assert found(HAS, SCORES, fewest_papers=5) == []
    assert found([1] * 8, SCORES) == []
    assert found([], []) == []


def test_labels_that_the_model_never_gives_do_not_come_first():
    # The first label is well known; the second the model never gives, and is sure of that.
    applies = np.array([[1, 0]] * 9 + [[1, 1]] + [[0, 0]] * 9 + [[0, 1]], bool)
    scores = np.array([[0.9, 0.01]] * 9 + [[0.005, 0.001]] + [[0.01, 0.01]] * 9 + [[0.01, 0.001]], np.float32)
    errors = label_errors(applies, scores, 50, fewest_papers=2)
    assert [(error.paper, error.label) for error in errors] == [(9, 0), (9, 1), (19, 1)]
    assert errors[0].margin == pytest.approx((0.995 - 0.99) - (0.005 - (9 * 0.9 + 0.005) / 10), abs=1e-6)
    assert errors[1].margin < 0.01


def test_half_of_what_is_listed_are_wrong_labels_if_there_are_as_many():
    # Four wrong labels, with the smaller margins, and four missing ones.
    has = [1] * 20 + [0] * 20
    scores = [0.9] * 16 + [0.004, 0.003, 0.002, 0.001] + [0.01] * 16 + [0.96, 0.97, 0.98, 0.99]
    kinds = [in_data for _, in_data in found(has, scores, number=4)]
    assert sorted(kinds) == [False, False, True, True]
    assert {paper for paper, _ in found(has, scores, number=4)} == {18, 19, 38, 39}
    # What one kind lacks the other has more of.
    assert sorted(in_data for _, in_data in found(has, scores, number=7)) == [False] * 4 + [True] * 3
    scores[36:] = [0.01] * 4
    assert [paper for paper, _ in found(has, scores, number=3)] == [19, 18, 17]


@given(seed=st.integers(0, 1000), number=st.integers(0, 30))
def test_what_is_listed_contradicts_the_data_the_surest_first(seed, number):
    random = np.random.default_rng(seed)
    applies, scores = random.random((30, 4)) < 0.5, random.random((30, 4)).astype(np.float32)
    errors = label_errors(applies, scores, number)
    assert len(errors) == min(number, len(label_errors(applies, scores, 120)))
    assert len(set(errors)) == len(errors)
    margins = [error.margin for error in errors]
    assert margins == sorted(margins, reverse=True)
    for error in errors:
        assert error.in_data == applies[error.paper, error.label]
        assert error.score == scores[error.paper, error.label]
        assert (error.score < 0.5) == error.in_data
