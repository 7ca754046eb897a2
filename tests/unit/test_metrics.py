"""Streaming metrics: right by hand and by scikit-learn, and the same to the bit in whatever order they are added up."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from trainer.metrics import StreamingMetrics, best_labels

HALF = np.float32(0.5)


def measured(truth, scores, threshold=HALF):
    metrics = StreamingMetrics(truth.shape[1], np.full(truth.shape[1], threshold))
    metrics.add(truth, scores)
    return metrics


def random_papers(papers, labels, seed=0, tied=False):
    random = np.random.default_rng(seed)
    truth = random.random((papers, labels)) < 0.2
    truth[np.arange(papers), random.integers(labels, size=papers)] = True
    scores = np.clip(random.random((papers, labels)) * 0.7 + truth * 0.3, 0, 1).astype(np.float32)
    return truth, np.round(scores, 1).astype(np.float32) if tied else scores


def test_two_papers_by_hand():
    truth = np.array([[1, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0]])
    scores = np.array([[0.9, 0.8, 0.7, 0.1, 0.1, 0.1], [0.6, 0.4, 0.1, 0.1, 0.1, 0.1]], np.float32)
    # Paper 1 ranks 0 (hit), 1, 2 (hit); paper 2 ranks 0, 1 (hit).
    # nDCG of paper 1: (1 + 1/2) / (1 + 1/log2 3); of paper 2: (1/log2 3) / 1.
    # At 0.5, paper 1 gets 0, 1, 2 (2 TP, 1 FP), paper 2 gets 0 (1 FP, 1 FN).
    # By label: 0 has TP 1, FP 1 (F1 2/3), 1 has FP 1, FN 1 (F1 0), 2 has TP 1 (F1 1), the others nothing (F1 0).
    # At 0.301 (the lowest that leaves out 0.1 is 0.101): TP 3, FP 2, FN 0, F1 6/8.
    result = measured(truth, scores).result()
    assert result == {
        'papers': 2,
        'papers_without_labels': 0,
        'precision_at_1': 1 / 2,
        'precision_at_3': 3 / 6,
        'precision_at_5': 3 / 10,
        'recall_at_5': 1.0,
        'ndcg_at_5': pytest.approx(((1 + 1 / 2) / (1 + 1 / math.log2(3)) + 1 / math.log2(3)) / 2, rel=1e-15),
        'micro_f1': 4 / 7,
        'macro_f1': pytest.approx((2 / 3 + 1) / 6, rel=1e-15),
        'micro_f1_best': 6 / 8,
        'micro_f1_best_threshold': 0.101,
        'binary_accuracy': 9 / 12,
        'binary_accuracy_of_predicting_nothing': 9 / 12,
    }


@pytest.mark.parametrize('labels', [2, 5, 30])
def test_figures_equal_those_of_scikit_learn(labels):
    truth, scores = random_papers(200, labels)
    result = measured(truth, scores).result()
    given_labels = scores >= 0.5
    expected = {
        'ndcg_at_5': sklearn_metrics.ndcg_score(truth, scores, k=5, ignore_ties=True),
        'micro_f1': sklearn_metrics.f1_score(truth, given_labels, average='micro', zero_division=0),
        'macro_f1': sklearn_metrics.f1_score(truth, given_labels, average='macro', zero_division=0),
        'precision_at_1': truth[np.arange(200), scores.argmax(axis=1)].mean(),
        'binary_accuracy': sklearn_metrics.accuracy_score(truth.ravel(), given_labels.ravel()),
        'binary_accuracy_of_predicting_nothing': 1 - truth.mean(),
    }
    assert {name: result[name] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_precision_at_k_divides_by_k_even_where_there_are_fewer_labels():
    result = measured(np.array([[1, 1]]), np.array([[0.9, 0.8]], np.float32)).result()
    assert (result['precision_at_3'], result['precision_at_5']) == (2 / 3, 2 / 5)
    assert (result['recall_at_5'], result['ndcg_at_5']) == (1.0, 1.0)


def test_of_equal_scores_the_lower_label_index_comes_first():
    scores = np.array([[0.2, 0.7, 0.2, 0.7, 0.2], [0, 0, 0, 0, 0]], np.float32)
    assert best_labels(scores, 4).tolist() == [[1, 3, 0, 2], [0, 1, 2, 3]]


def test_papers_to_which_no_label_applies_are_counted_and_left_out():
    truth, scores = random_papers(20, 6)
    alone = measured(truth, scores).result()
    among = measured(np.vstack([truth, np.zeros((3, 6))]), np.vstack([scores, np.ones((3, 6))])).result()
    assert among == {**alone, 'papers_without_labels': 3}


def test_without_papers_every_figure_is_none():
    result = StreamingMetrics(4, np.full(4, HALF)).result()
    assert (result.pop('papers'), result.pop('papers_without_labels')) == (0, 0)
    assert set(result) == set(measured(*random_papers(5, 4)).result()) - {'papers', 'papers_without_labels'}
    assert set(result.values()) == {None}


def test_each_label_is_counted_at_its_own_threshold():
    metrics = StreamingMetrics(2, [0.3, 0.8])
    metrics.add([[1, 1], [0, 1]], np.array([[0.3, 0.7], [0.3, 0.8]], np.float32))
    assert metrics.true_positives.tolist() == [1, 1]
    assert metrics.false_positives.tolist() == [1, 0]
    assert metrics.false_negatives.tolist() == [0, 1]
    assert metrics.support.tolist() == [1, 2]


@settings(max_examples=30, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000), tied=st.booleans())
def test_result_is_the_same_to_the_bit_however_papers_are_batched_and_merged(data, seed, tied):
    truth, scores = random_papers(40, 8, seed, tied)
    order = np.array(data.draw(st.permutations(range(40))))
    cuts = sorted(data.draw(st.lists(st.integers(0, 40), max_size=5)))
    parts = [measured(truth[rows], scores[rows]) for rows in np.split(order, cuts)]
    for part in data.draw(st.permutations(parts[1:])):
        parts[0].merge(part)
    assert parts[0].result() == measured(truth, scores).result()


def test_memory_does_not_grow_with_the_papers_and_pickling_keeps_everything():
    metrics = measured(*random_papers(1000, 20))
    size = len(pickle.dumps(metrics))
    for seed in range(1, 20):
        metrics.add(*random_papers(1000, 20, seed))
    assert metrics.papers == 20_000
    assert len(pickle.dumps(metrics)) < size + 2_000 < 25_000
    assert pickle.loads(pickle.dumps(metrics)).result() == metrics.result()


@pytest.mark.parametrize('score', [float('nan'), -0.1, 1.1])
def test_a_score_that_is_no_probability_is_refused(score):
    with pytest.raises(ValueError, match='a score is not between 0 and 1'):
        measured(np.array([[1, 0]]), np.array([[0.5, score]], np.float32))


def test_shapes_and_thresholds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='truth of shape'):
        measured(np.ones((2, 3)), np.ones((3, 3), np.float32))
    with pytest.raises(ValueError, match='thresholds of shape'):
        StreamingMetrics(3, [0.5])
    with pytest.raises(ValueError, match='cannot be merged'):
        StreamingMetrics(2, [0.5, 0.5]).merge(StreamingMetrics(2, [0.5, 0.6]))
