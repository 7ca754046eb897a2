"""A model serves if it answers its reference papers as it did when it was exported, but for rounding."""

import json

import numpy as np
import pytest

from pipeline.exports import Export
from pipeline.reference_answers import ReferencePaper, difference, reference_papers
from schemas.errors import JobError

THRESHOLDS = {'cs.LG': 0.5, 'stat.ML': 0.5, 'cs.CV': 0.3, 'math.PR': 0.3}
PAPERS = [
    ReferencePaper('First', '', ['cs.LG', 'stat.ML', 'cs.CV'], [0.9, 0.50005, 0.2], [True, True, False]),
    ReferencePaper('Second', '', ['cs.CV', 'cs.LG', 'stat.ML'], [0.4, 0.10005, 0.1], [True, False, False]),
]


def answer(first=(), second=()):
    """The stored answers, as the model gives them, with other labels, scores or accepted of either paper."""
    rows = [dict(zip(('labels', 'scores', 'accepted'), stored[2:], strict=True)) for stored in PAPERS]
    rows[0] |= dict(first)
    rows[1] |= dict(second)
    return {
        'labels': np.array([[label.encode() for label in row['labels']] for row in rows], object),
        'scores': np.array([row['scores'] for row in rows], np.float32),
        'accepted': np.array([row['accepted'] for row in rows]),
    }


def test_the_stored_answers_are_those_of_the_model():
    assert difference(PAPERS, answer(), THRESHOLDS) is None
    assert difference([], {name: array[:0] for name, array in answer().items()}, THRESHOLDS) is None


@pytest.mark.parametrize(
    'second',
    [
        # Rounded otherwise.
        {'scores': [0.40009, 0.10009, 0.09992]},
        # Changed places.
        {'labels': ['cs.CV', 'stat.ML', 'cs.LG'], 'scores': [0.4, 0.10008, 0.10006]},
        # One from beyond the end of the list.
        {'labels': ['cs.CV', 'cs.LG', 'math.PR'], 'scores': [0.4, 0.10005, 0.1]},
    ],
)
def test_scores_may_differ_by_a_rounding_and_labels_with_such_scores_may_change_places(second):
    assert difference(PAPERS, answer(second=second), THRESHOLDS) is None


def test_a_label_at_its_threshold_may_be_accepted_or_not():
    assert difference(PAPERS, answer({'accepted': [True, False, False]}), THRESHOLDS) is None


@pytest.mark.parametrize(
    ('first', 'second', 'fault'),
    [
        ({'scores': [np.nan, 0.5, 0.2]}, {}, "reference paper 1 ('First'): the score of cs.LG is NaN"),
        (
            {},
            {'scores': [0.4, np.nan, np.nan]},
            "reference paper 2 ('Second'): the score of cs.LG is NaN",
        ),
        (
            {},
            {'scores': [0.4002, 0.10005, 0.1]},
            "reference paper 2 ('Second'): expected cs.CV with score 0.400000 at rank 1, found cs.CV with 0.400200",
        ),
        (
            {'labels': ['stat.ML', 'cs.LG', 'cs.CV']},
            {},
            "reference paper 1 ('First'): expected cs.LG at rank 1, found stat.ML",
        ),
        (
            {'labels': ['cs.LG', 'math.PR', 'cs.CV']},
            {},
            "reference paper 1 ('First'): expected stat.ML at rank 2, found math.PR",
        ),
        (
            {},
            {'labels': ['cs.CV', 'cs.LG', 'unheard']},
            "reference paper 2 ('Second'): expected stat.ML at rank 3, found unheard",
        ),
        (
            {},
            {'labels': ['cs.CV', 'cs.LG', 'cs.LG']},
            "reference paper 2 ('Second'): expected cs.CV, cs.LG, stat.ML, found cs.CV, cs.LG, cs.LG",
        ),
        (
            {'accepted': [False, True, False]},
            {},
            "reference paper 1 ('First'): expected cs.LG (score 0.900000) to be accepted, found it not accepted",
        ),
        (
            {'accepted': [True, True, True]},
            {},
            "reference paper 1 ('First'): expected cs.CV (score 0.200000) to be not accepted, found it accepted",
        ),
    ],
)
def test_what_differs_is_said_with_the_paper_and_the_label(first, second, fault):
    assert difference(PAPERS, answer(first, second), THRESHOLDS) == fault


def test_another_number_of_labels_differs():
    short = {name: array[:, :2] for name, array in answer().items()}
    assert difference(PAPERS, short, THRESHOLDS) == "reference paper 1 ('First'): expected 3 labels, found 2"


@pytest.fixture
def stored(tmp_path):
    """The file of the reference papers, as an export has it."""
    path = tmp_path / 'assets.extra' / 'reference_papers.jsonl'
    path.parent.mkdir()
    path.write_text(''.join(json.dumps(paper._asdict() | {'more': 1}) + '\n' for paper in PAPERS))
    return path


def test_reference_papers_are_read_as_they_were_stored(stored, tmp_path):
    assert reference_papers(Export(str(tmp_path), '1')) == PAPERS


@pytest.mark.parametrize(
    ('line', 'error'),
    [
        (b'{"title": "T"}', "'abstract'"),
        (b'{"tit', 'Unterminated string starting at: line 1 column 2 (char 1)'),
        (b'{"title": "", "abstract": "", "labels": [], "scores": [1.0], "accepted": []}', 'of different lengths'),
        (b'3', "'int' object is not subscriptable"),
    ],
)
def test_a_damaged_line_is_named(stored, tmp_path, line, error):
    stored.write_bytes(stored.read_bytes() + line)
    with pytest.raises(JobError) as raised:
        reference_papers(Export(str(tmp_path), '1'))
    assert str(raised.value) == (
        f'line 3 of {stored} is damaged ({error}). Copy the export again, or run "arxiv-tagger train" again.'
    )
