"""Streaming metrics: right by hand and by scikit-learn, and the same to the bit in whatever order they are added up."""

import json
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from tests.helpers import SCHEMAS, validate
from trainer.histograms import precision_recall_curve
from trainer.metrics import FIGURES, LabelFigures, StreamingMetrics

HALF = np.float32(0.5)


def empty(labels):
    return StreamingMetrics(labels, np.full(labels, HALF), np.linspace(1, 0.1, labels))


def measured(truth, scores):
    metrics = empty(truth.shape[1])
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
    metrics = StreamingMetrics(6, np.full(6, HALF), [1, 0.5, 0.25, 1, 1, 1])
    metrics.add(truth, scores)
    result = metrics.result()
    assert list(result) == ['papers', 'papers_without_labels', *FIGURES]
    # Paper 1 ranks 0 (hit), 1, 2 (hit); paper 2 ranks 0, 1 (hit).
    second, third = 1 / np.log2(3), 1 / 2
    # At 0.5, paper 1 gets 0, 1, 2 (2 TP, 1 FP), paper 2 gets 0 (1 FP, 1 FN).
    # By label: 0 has TP 1, FP 1 (F1 2/3), 1 has FP 1, FN 1 (F1 0), 2 has TP 1 (F1 1), the others nothing (F1 0).
    # The grid has steps of 1/512 above 1/16, and 0.1 is 51.2 of them. From the next on: TP 3, FP 2, FN 0, F1 6/8.
    # Of label 0, the score of its paper is above that of the other (AP 1), as of label 2; of label 1 below (AP 1/2).
    # Pairs by bins of 1/15: 0.1 (7 pairs, none), 0.4 (1 of 1), 0.6 (0 of 1), 0.7 (1 of 1), 0.8 (0 of 1), 0.9 (1 of 1).
    # Hits of propensity 1, 1/2, 1/4 are worth 1, 2, 4.
    assert result == pytest.approx(
        {
            'papers': 2,
            'papers_without_labels': 0,
            'precision_at_1': 1 / 2,
            'precision_at_3': 3 / 6,
            'precision_at_5': 3 / 10,
            'recall_at_1': (1 / 2 + 0) / 2,
            'recall_at_3': 1,
            'recall_at_5': 1,
            'ndcg_at_1': 1 / 2,
            'ndcg_at_3': ((1 + third) / (1 + second) + second) / 2,
            'ndcg_at_5': ((1 + third) / (1 + second) + second) / 2,
            'propensity_scored_precision_at_1': 1 / (4 + 2),
            'propensity_scored_precision_at_3': 1,
            'propensity_scored_precision_at_5': 1,
            'propensity_scored_ndcg_at_1': 1 / (4 + 2),
            'propensity_scored_ndcg_at_3': ((1 + 4 * third) / (1 + second) + 2 * second)
            / ((4 + second) / (1 + second) + 2),
            'propensity_scored_ndcg_at_5': ((1 + 4 * third) / (1 + second) + 2 * second)
            / ((4 + second) / (1 + second) + 2),
            'coverage_error': (3 + 2) / 2,
            'label_ranking_average_precision': ((1 + 2 / 3) / 2 + 1 / 2) / 2,
            'micro_f1': 4 / 7,
            'macro_f1': (2 / 3 + 1) / 6,
            'example_f1': (4 / 5 + 0) / 2,
            'micro_f1_best': 6 / 8,
            'micro_f1_best_threshold': 52 / 512,
            'hamming_loss': 3 / 12,
            'subset_accuracy': 0,
            'binary_accuracy': 9 / 12,
            'binary_accuracy_of_predicting_nothing': 9 / 12,
            'mean_average_precision': (1 + 1 / 2 + 1) / 3,
            'expected_calibration_error': (7 * 0.1 + 0.6 + 0.6 + 0.3 + 0.8 + 0.1) / 12,
            'expected_calibration_error_top': (0.1 + 0.6) / 2,
            'brier_score': (0.1**2 + 0.8**2 + 0.3**2 + 7 * 0.1**2 + 0.6**2 + 0.6**2) / 12,
            # What each score lacks to the truth, as above.
            'log_loss': -np.log([*[0.9] * 8, 0.2, 0.7, 0.4, 0.4]).mean(),
        },
        rel=1e-7,
    )


@pytest.mark.parametrize('tied', [False, True])
@pytest.mark.parametrize('labels', [2, 5, 30])
def test_figures_equal_those_of_scikit_learn(labels, tied):
    truth, scores = random_papers(200, labels, labels, tied)
    result = measured(truth, scores).result()
    given_labels = scores >= 0.5

    def f1(average):
        return sklearn_metrics.f1_score(truth, given_labels, average=average, zero_division=0)

    expected = {
        'coverage_error': sklearn_metrics.coverage_error(truth, scores),
        'label_ranking_average_precision': sklearn_metrics.label_ranking_average_precision_score(truth, scores),
        'micro_f1': f1('micro'),
        'macro_f1': f1('macro'),
        'example_f1': f1('samples'),
        'hamming_loss': sklearn_metrics.hamming_loss(truth, given_labels),
        'subset_accuracy': sklearn_metrics.accuracy_score(truth, given_labels),
        'binary_accuracy': sklearn_metrics.accuracy_score(truth.ravel(), given_labels.ravel()),
        'binary_accuracy_of_predicting_nothing': 1 - truth.mean(),
        'brier_score': sklearn_metrics.brier_score_loss(truth.ravel(), scores.ravel().astype(float)),
        'log_loss': sklearn_metrics.log_loss(truth.ravel(), scores.ravel().astype(float).clip(1e-7, 1 - 1e-7)),
        'precision_at_1': truth[np.arange(200), scores.argmax(axis=1)].mean(),
    }
    if tied:
        # All scores are in bins of their own.
        expected['mean_average_precision'] = sklearn_metrics.average_precision_score(truth, scores, average='macro')
    else:
        expected |= {f'ndcg_at_{k}': sklearn_metrics.ndcg_score(truth, scores, k=k) for k in (1, 3, 5)}
    assert {name: result[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_precision_at_k_divides_by_k_even_where_there_are_fewer_labels():
    result = measured(np.array([[1, 1]]), np.array([[0.9, 0.8]], np.float32)).result()
    assert (result['precision_at_3'], result['precision_at_5']) == (2 / 3, 2 / 5)
    assert (result['recall_at_5'], result['ndcg_at_5']) == (1.0, 1.0)


def test_papers_to_which_no_label_applies_are_counted_and_left_out():
    truth, scores = random_papers(20, 6)
    alone = measured(truth, scores).result()
    among = measured(np.vstack([truth, np.zeros((3, 6))]), np.vstack([scores, np.ones((3, 6))])).result()
    assert among == {**alone, 'papers_without_labels': 3}


def test_without_papers_every_figure_is_none():
    result = empty(4).result()
    assert (result.pop('papers'), result.pop('papers_without_labels')) == (0, 0)
    assert set(result) == set(measured(*random_papers(5, 4)).result()) - {'papers', 'papers_without_labels'}
    assert set(result.values()) == {None}


@pytest.mark.parametrize('papers', [0, 7])
def test_the_result_is_what_the_published_schema_says(papers):
    result = measured(*random_papers(papers, 4)).result()
    validate(result, 'metrics')
    schema = json.loads((SCHEMAS / 'metrics.schema.json').read_text('utf-8'))
    assert list(result) == schema['required'] == [name for name in schema['properties'] if name != 'model_version']


def test_each_label_is_counted_at_its_own_threshold():
    metrics = StreamingMetrics(2, [0.3, 0.8], [1, 1])
    metrics.add([[1, 1], [0, 1]], np.array([[0.3, 0.7], [0.3, 0.8]], np.float32))
    assert metrics.true_positives.tolist() == [1, 1]
    assert metrics.false_positives.tolist() == [1, 0]
    assert metrics.false_negatives.tolist() == [0, 1]
    assert metrics.support.tolist() == [1, 2]


def test_each_label_has_its_figures():
    metrics = StreamingMetrics(4, [0.25, 0.5, 0.75, 0.5], np.ones(4))
    truth = [[1, 1, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    metrics.add(truth, np.array([[0.9, 0.6, 0.7, 0], [0.3, 0.2, 0, 0.4], [0.4, 0.1, 0, 0]], np.float32))
    # Support, given, TP, threshold, precision, recall, F1, average precision, expected calibration error.
    assert metrics.label_figures() == [
        LabelFigures(2, 3, 2, 0.25, 2 / 3, 1, 4 / 5, 1, pytest.approx((0.1 + 0.3 + 0.6) / 3, abs=1 / 256)),
        LabelFigures(2, 1, 1, 0.5, 1, 1 / 2, 2 / 3, 1, pytest.approx((0.4 + 0.8 + 0.1) / 3, abs=1 / 256)),
        LabelFigures(1, 0, 0, 0.75, None, 0, 0, 1, pytest.approx(0.3 / 3, abs=1 / 256)),
        LabelFigures(0, 0, 0, 0.5, None, None, None, None, pytest.approx(0.4 / 3, abs=1 / 256)),
    ]


def published(metrics):
    """Everything that is published of metrics, as text."""
    rows = [metrics.reliability.rows(), metrics.reliability_of_first_labels.rows(), metrics.label_figures()]
    curves = [precision_recall_curve(*label) for label in metrics.histograms]
    return json.dumps([metrics.result(), rows, curves])


@settings(max_examples=30, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000), tied=st.booleans())
def test_what_is_published_is_the_same_however_papers_are_batched_and_merged(data, seed, tied):
    truth, scores = random_papers(40, 8, seed, tied)
    order = np.array(data.draw(st.permutations(range(40))))
    cuts = sorted(data.draw(st.lists(st.integers(0, 40), max_size=5)))
    parts = [measured(truth[rows], scores[rows]) for rows in np.split(order, cuts)]
    for part in data.draw(st.permutations(parts[1:])):
        parts[0].merge(pickle.loads(pickle.dumps(part)))
    assert published(parts[0]) == published(measured(truth, scores))


def test_memory_does_not_grow_with_the_papers_and_pickling_keeps_everything():
    metrics = measured(*random_papers(1000, 152))
    for seed in range(1, 20):
        metrics.add(*random_papers(1000, 152, seed))
    assert metrics.papers == 20_000
    # What Beam's workers send each other: at most 152 labels x 1,026 bins x 8 bytes, twice, were every bin filled.
    assert len(pickle.dumps(metrics)) < 1_000_000
    assert published(pickle.loads(pickle.dumps(metrics))) == published(metrics)


def test_thirty_thousand_labels_are_measured_in_bounded_memory():
    truth, scores = random_papers(64, 30_000)
    tracemalloc.start()
    metrics = measured(truth, scores)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert metrics.papers == 64
    # The histograms take 8 kB a label, 246 MB, most of it untouched; the rest is what one slice needs.
    assert peak < 246e6 + 100e6
    # 34 papers are counted at a time.
    batches = measured(truth[:10], scores[:10])
    batches.add(truth[10:], scores[10:])
    assert batches.result() == metrics.result()


@pytest.mark.parametrize('score', [float('nan'), -0.1, 1.1])
def test_a_score_that_is_no_probability_is_refused(score):
    with pytest.raises(ValueError, match='a score is not between 0 and 1'):
        measured(np.array([[1, 0]]), np.array([[0.5, score]], np.float32))


def test_shapes_and_thresholds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='truth of shape'):
        measured(np.ones((2, 3)), np.ones((3, 3), np.float32))
    with pytest.raises(ValueError, match='thresholds of shape'):
        StreamingMetrics(3, [0.5], [1, 1, 1])
    with pytest.raises(ValueError, match='propensities of shape'):
        StreamingMetrics(2, [0.5, 0.5], [1])
    with pytest.raises(ValueError, match='a propensity is not above 0 and at most 1'):
        StreamingMetrics(2, [0.5, 0.5], [1, 0])
    for thresholds, propensities in [([0.5, 0.6], [1, 1]), ([0.5, 0.5], [1, 0.9])]:
        with pytest.raises(ValueError, match='cannot be merged'):
            StreamingMetrics(2, [0.5, 0.5], [1, 1]).merge(StreamingMetrics(2, thresholds, propensities))
