"""Tagged papers are published as the schema says, and one paper that a model refuses costs no other."""

import json

import jsonschema
import numpy as np
import pytest

from pipeline.evaluate import measure
from pipeline.readers.format import Dump
from pipeline.score import score_statistics, scored_papers, shards_for
from pipeline.shards import json_line
from pipeline.tagger import TaggedBatch, halving
from tests.helpers import paper, validate


def tagged(id_, scores=(0.9, 0.1), **more):
    outputs = {
        'labels': np.array([[b'cs.LG', b'stat.ML']], object),
        'scores': np.array([scores], np.float32),
        'accepted': np.array([[True, False]]),
    }
    return TaggedBatch([paper(id_, title='Schrödinger')], outputs | more, '3')


def scored_paper(*arguments, top_k=10, **options):
    [scored] = scored_papers(tagged(*arguments), top_k, **options)
    return scored


def test_a_scored_paper_has_its_predictions_in_the_order_of_the_model():
    scored = scored_paper('0704.0001')
    validate(scored, 'scored_paper')
    assert json_line(scored).decode() == (
        '{"id":"0704.0001","title":"Schrödinger","predictions":'
        '[{"label":"cs.LG","score":0.899999976,"accepted":true},'
        '{"label":"stat.ML","score":0.100000001,"accepted":false}],"model_version":"3"}'
    )


@pytest.mark.parametrize('score', [0.0, 1.0, 1e-38, 1.4e-45, 0.1, 1 / 3, 0.99999994])
def test_a_score_comes_back_as_the_float32_that_it_was(score):
    scored = scored_paper('1', (score, score))
    validate(scored, 'scored_paper')
    [read, _] = json.loads(json_line(scored))['predictions']
    assert np.float32(read['score']) == np.float32(score)


@pytest.mark.parametrize(
    'change',
    [{'id': ''}, {'extra': 1}, {'predictions': {}}, {'predictions': [{'label': 'a', 'score': 1.1, 'accepted': True}]}],
)
def test_the_schema_of_scored_papers_refuses_what_is_none(change):
    with pytest.raises(jsonschema.ValidationError):
        validate(scored_paper('1') | change, 'scored_paper')


def test_labels_below_their_thresholds_are_left_out_where_that_was_asked_for_and_no_paper_is():
    assert [prediction['label'] for prediction in scored_paper('1', only_accepted=True)['predictions']] == ['cs.LG']
    [none] = scored_papers(tagged('1', accepted=np.array([[False, False]])), 10, only_accepted=True)
    validate(none, 'scored_paper')
    assert none['predictions'] == []


def test_no_more_labels_are_given_than_were_asked_for():
    assert [prediction['label'] for prediction in scored_paper('1', top_k=1)['predictions']] == ['cs.LG']


def test_a_label_is_explained_by_the_n_grams_that_there_are():
    explained = tagged(
        '1',
        explanations=np.array([[[b'neural', b'of the'], [b'neural', b'']]], object),
        contributions=np.array([[[0.1, -0.05], [2.5, 0]]], np.float32),
    )
    [scored] = scored_papers(explained, 10)
    validate(scored, 'scored_paper')
    assert [prediction['explanation'] for prediction in scored['predictions']] == [
        [{'ngram': 'neural', 'contribution': 0.100000001}, {'ngram': 'of the', 'contribution': -0.0500000007}],
        [{'ngram': 'neural', 'contribution': 2.5}],
    ]


@pytest.mark.parametrize(
    ('dump', 'files'),
    [
        (Dump('a', 0), 1),
        (Dump('a', 200 << 20), 3),
        (Dump('a', 200 << 20, 'gzip'), 21),
    ],
)
def test_the_number_of_files_follows_from_the_size_of_the_dumps(dump, files):
    assert shards_for([dump]) == files


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
        return {'ids': np.array([found.id for found in batch])}

    batches = list(halving(call, papers, '1'))
    assert [found for batch in batches for found in batch.papers] == papers
    assert [int(batch.papers[0].id) for batch in batches if batch.error] == list(refused)
    for batch in batches:
        assert (batch.error, batch.outputs) == ('no such word', {}) or [
            found.id for found in batch.papers
        ] == batch.outputs['ids'].tolist()
        assert batch.version == '1'
    assert calls[0] == 7
    if not refused:
        assert calls == [7]


def test_an_error_without_words_goes_by_its_name():
    def call(batch):
        raise MemoryError

    [batch] = halving(call, [paper('1')], '1')
    assert batch.error == 'MemoryError'


class Added:
    """Stands for the metrics: remembers what was added."""

    def __init__(self):
        self.added = []

    def add(self, truth, scores):
        self.added.append((truth.tolist(), scores.tolist()))


def test_a_paper_is_measured_against_those_of_its_labels_that_the_model_knows():
    papers = [paper('1', 'cs.LG'), paper('2', 'cs.CV math.NA stat.ML')]
    batch = TaggedBatch(papers, {'probabilities': np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])}, '1')
    metrics = Added()
    measure(batch, ['cs.CV', 'cs.LG', 'stat.ML'], metrics)
    assert metrics.added == [
        ([[False, True, False], [True, False, True]], [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
    ]


def test_metrics_are_never_those_of_the_papers_that_the_model_did_not_fail_on():
    with pytest.raises(RuntimeError, match='the model failed on paper 2: no such word'):
        measure(TaggedBatch([paper('2')], {}, '1', 'no such word'), ['cs.LG'], Added())
