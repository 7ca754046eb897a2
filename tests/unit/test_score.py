"""Tagged papers are published as the schema says, and one paper that a model refuses costs no other."""

import json

import jsonschema
import numpy as np
import pytest

from pipeline.evaluate import measure
from pipeline.score import score_statistics, scored_paper
from pipeline.shards import json_line
from pipeline.tagger import Tagged, halving
from tests.helpers import paper, validate


def tagged(id_, scores=(0.9, 0.1)):
    outputs = {
        'labels': np.array([b'cs.LG', b'stat.ML'], object),
        'scores': np.array(scores, np.float32),
        'accepted': np.array([True, False]),
    }
    return Tagged(paper(id_, title='Schrödinger'), outputs)


def test_a_scored_paper_has_its_predictions_in_the_order_of_the_model():
    scored = scored_paper(tagged('0704.0001'), '3')
    validate(scored, 'scored_paper')
    assert json_line(scored).decode() == (
        '{"id": "0704.0001", "title": "Schrödinger", "predictions": '
        '[{"label": "cs.LG", "score": 0.899999976, "accepted": true}, '
        '{"label": "stat.ML", "score": 0.100000001, "accepted": false}], "model_version": "3"}'
    )


@pytest.mark.parametrize('score', [0.0, 1.0, 1e-38, 1.4e-45, 0.1, 1 / 3, 0.99999994])
def test_a_score_comes_back_as_the_float32_that_it_was(score):
    scored = scored_paper(tagged('1', (score, score)), '1')
    validate(scored, 'scored_paper')
    [read, _] = json.loads(json_line(scored))['predictions']
    assert np.float32(read['score']) == np.float32(score)


@pytest.mark.parametrize(
    'change',
    [{'id': ''}, {'extra': 1}, {'predictions': []}, {'predictions': [{'label': 'a', 'score': 1.1, 'accepted': True}]}],
)
def test_the_schema_of_scored_papers_refuses_what_is_none(change):
    with pytest.raises(jsonschema.ValidationError):
        validate(scored_paper(tagged('1'), '1') | change, 'scored_paper')


def test_the_statistics_of_scoring_hold_a_zero_for_what_did_not_happen():
    assert score_statistics({}, '1') == {
        'read': 0,
        'tagged': 0,
        'rejected': {},
        'accepted_labels': {},
        'model_version': '1',
    }
    counts = {('read',): 3, ('tagged',): 2, ('rejected', 'missing_title'): 1, ('accepted_labels', 'cs.LG'): 2}
    assert score_statistics(counts, '7') == {
        'read': 3,
        'tagged': 2,
        'rejected': {'missing_title': 1},
        'accepted_labels': {'cs.LG': 2},
        'model_version': '7',
    }


@pytest.mark.parametrize('refused', [[], [0], [4], [1, 2, 6], range(7)])
def test_only_the_papers_that_the_model_refuses_fail(refused):
    papers = [paper(str(number)) for number in range(7)]
    calls = []

    def call(batch):
        calls.append(len(batch))
        if any(int(found.id) in refused for found in batch):
            raise ValueError('no such word\nand more')
        return [Tagged(found, {'scores': np.zeros(1)}) for found in batch]

    results = list(halving(call, papers))
    assert [result.paper for result in results] == papers
    assert [number for number, result in enumerate(results) if result.error] == list(refused)
    assert {result.error for result in results} <= {'', 'no such word'}
    assert calls[0] == 7
    if not refused:
        assert calls == [7]


def test_an_error_without_words_goes_by_its_name():
    def call(batch):
        raise MemoryError

    [result] = halving(call, [paper('1')])
    assert result.error == 'MemoryError'


class Added:
    """Stands for the metrics: remembers what was added."""

    def __init__(self):
        self.added = []

    def add(self, truth, scores):
        self.added.append((truth.tolist(), scores.tolist()))


def probabilities(id_, labels, scores):
    return Tagged(paper(id_, labels), {'probabilities': np.array(scores)})


def test_a_paper_is_measured_against_those_of_its_labels_that_the_model_knows():
    batch = [probabilities('1', 'cs.LG', [0.1, 0.2, 0.3]), probabilities('2', 'cs.CV math.NA stat.ML', [0.4, 0.5, 0.6])]
    metrics = Added()
    measure(batch, ['cs.CV', 'cs.LG', 'stat.ML'], metrics)
    assert metrics.added == [
        ([[False, True, False], [True, False, True]], [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
    ]


def test_metrics_are_never_those_of_the_papers_that_the_model_did_not_fail_on():
    batch = [probabilities('1', 'cs.LG', [0.1]), Tagged(paper('2'), {}, 'no such word')]
    with pytest.raises(RuntimeError, match='the model failed on paper 2: no such word'):
        measure(batch, ['cs.LG'], Added())
