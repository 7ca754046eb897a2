"""An explanation is the gradient of a label's logit times the n-gram's weight, of the n-grams that weigh most."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import explain
from trainer.ensemble import merged
from trainer.explain import explainer
from trainer.model import build_tagger

NGRAMS, LABELS, PAPERS = 60, 7, 9

LAYERS = {
    'plain': {'hidden_units': (8, 5), 'wide': False},
    'wide': {'hidden_units': (8,), 'wide': True},
    'linear': {'hidden_units': (), 'wide': False},
    'ensemble': {'hidden_units': (8, 5), 'wide': True, 'ensemble_size': 3},
    'linear ensemble': {'hidden_units': (), 'wide': True, 'ensemble_size': 2},
}


def weights_of(papers=PAPERS, seed=0):
    """Weights of which a fifth is not 0; the second paper has no n-grams, the third has one."""
    random = np.random.default_rng(seed)
    dense = (random.random((papers, NGRAMS)) + 0.1) * (random.random((papers, NGRAMS)) < 0.2)
    dense[1:2] = 0
    dense[2:3] = np.eye(NGRAMS)[5]
    return dense.astype(np.float32)


def tagger(**layers):
    random = np.random.default_rng(1)
    model = build_tagger(ngrams=NGRAMS, labels=LABELS, **layers)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return merged(model, **({'ensemble_size': 1} | layers))


@functools.cache
def tagger_of(layers):
    return tagger(**LAYERS[layers])


def logits_in_numpy(model, weights):
    """What the layers of a merged tagger give, in double precision, and the slope of each logit: [labels, ngrams]."""
    values = {layer.name: [value.astype(np.float64) for value in layer.get_weights()] for layer in model.layers}
    if 'embedding' not in values:
        kernel, bias = values['logits']
        return weights @ kernel + bias, kernel.T
    kernel, bias = values['embedding']
    units = len(bias)
    hidden, slope = weights @ kernel[:, :units] + bias, kernel[:, :units]
    active = hidden > 0
    hidden, slope = hidden * active, slope * active
    if 'hidden_1' in values:
        matrix, bias = values['hidden_1']
        hidden, slope = hidden @ matrix + bias, slope @ matrix
        active = hidden > 0
        hidden, slope = hidden * active, slope * active
    matrix, bias = values['logits']
    linear = kernel[:, units:] if kernel.shape[1] > units else np.zeros((NGRAMS, LABELS))
    return hidden @ matrix + bias + weights @ linear, (slope @ matrix + linear).T


@functools.cache
def traced(model):
    """The function that explains a model, traced once, as in an export."""
    specs = tf.SparseTensorSpec([None, NGRAMS]), tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int32)
    return tf.function(explainer(model), input_signature=specs)


def explained(model, dense, labels, n):
    found = traced(model)(tf.sparse.from_dense(dense), tf.constant(labels, tf.int32), tf.constant(n))
    return found.ids.numpy(), found.contributions.numpy()


@pytest.mark.parametrize('layers', LAYERS)
def test_contributions_are_weights_times_slopes_computed_elsewhere_heaviest_first(layers):
    model, dense = tagger_of(layers), weights_of()
    labels = np.argsort(np.random.default_rng(2).random((PAPERS, LABELS)), axis=1)[:, :3]
    ids, contributions = explained(model, dense, labels, 4)
    for paper in range(PAPERS):
        _, slopes = logits_in_numpy(model, dense[paper].astype(np.float64))
        for place, label in enumerate(labels[paper]):
            expected = dense[paper] * slopes[label]
            has = np.flatnonzero(dense[paper])
            order = has[np.argsort(-np.abs(expected[has]), kind='stable')][:4]
            missing = 4 - len(order)
            assert ids[paper, place].tolist() == [*order, *[-1] * missing]
            np.testing.assert_allclose(contributions[paper, place], [*expected[order], *[0] * missing], rtol=1e-4)


@pytest.mark.parametrize('layers', LAYERS)
def test_contributions_are_what_the_logit_changes_by_where_the_weight_does(layers):
    model, dense = tagger_of(layers), weights_of()
    labels = np.tile(np.arange(LABELS), (PAPERS, 1))
    ids, contributions = explained(model, dense, labels, NGRAMS)
    step = 1e-6
    for paper, label, ngram in [(0, 0, 0), (3, 2, 1), (2, 4, 0), (8, 6, 2)]:
        changed = dense[paper].astype(np.float64)
        changed[ids[paper, label, ngram]] *= 1 + step
        before, _ = logits_in_numpy(model, dense[paper].astype(np.float64))
        after, _ = logits_in_numpy(model, changed)
        slope = (after - before)[label] / step
        np.testing.assert_allclose(contributions[paper, label, ngram], slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('layers', LAYERS)
def test_contributions_and_the_bias_of_the_linear_piece_add_up_to_the_models_logit(layers):
    model, dense = tagger_of(layers), weights_of()
    logits = keras.Model(model.inputs, model.get_layer('probabilities').input)(tf.sparse.from_dense(dense)).numpy()
    _, contributions = explained(model, dense, np.tile(np.arange(LABELS), (PAPERS, 1)), NGRAMS)
    for paper in range(PAPERS):
        exact, slopes = logits_in_numpy(model, dense[paper].astype(np.float64))
        bias = exact - slopes @ dense[paper]
        np.testing.assert_allclose(contributions[paper].sum(axis=1) + bias, logits[paper], atol=1e-5)
    # A paper without n-grams is explained by nothing.
    assert not contributions[1].any()


def test_equal_contributions_go_by_the_smaller_id():
    model = build_tagger(ngrams=NGRAMS, labels=2, hidden_units=())
    model.get_layer('logits').kernel.assign(np.tile([[1.0, -1.0]], (NGRAMS, 1)))
    dense = np.zeros((1, NGRAMS), np.float32)
    dense[0, [40, 7, 22, 59]] = 0.5
    dense[0, 30] = 0.75
    ids, contributions = explained(model, dense, [[0, 1]], 4)
    assert ids.tolist() == [[[30, 7, 22, 40], [30, 7, 22, 40]]]
    assert contributions.tolist() == [[[0.75, 0.5, 0.5, 0.5], [-0.75, -0.5, -0.5, -0.5]]]


@pytest.mark.parametrize(('papers', 'k', 'n'), [(0, 3, 4), (PAPERS, 0, 4), (PAPERS, 3, 0), (0, 0, 0)])
def test_no_papers_no_labels_and_no_ngrams_are_explained_by_arrays_of_that_size(papers, k, n):
    ids, contributions = explained(tagger_of('wide'), weights_of(papers), np.zeros((papers, k)), n)
    assert ids.shape == contributions.shape == (papers, k, n)


def test_what_a_paper_gets_depends_neither_on_the_batch_nor_on_how_its_ngrams_are_cut(monkeypatch):
    model, dense = tagger_of('plain'), weights_of()
    labels = np.tile([3, 1], (PAPERS, 1))
    ids, contributions = explained(model, dense, labels, 5)
    # Three rows of the kernel at a time.
    monkeypatch.setattr(explain, '_GATHERED_NUMBERS', 8 * 3)
    model = tagger(**LAYERS['plain'])
    for paper in range(PAPERS):
        alone, values = explained(model, dense[paper : paper + 1], labels[:1], 5)
        np.testing.assert_array_equal(alone, ids[paper : paper + 1])
        np.testing.assert_allclose(values, contributions[paper : paper + 1], rtol=1e-5)


def test_half_precision_changes_the_last_digits_only():
    exact, rounded = (tagger(hidden_units=(8, 5), wide=True, precision=p) for p in ('float32', 'mixed_bfloat16'))
    dense, labels = weights_of(), np.tile(np.arange(LABELS), (PAPERS, 1))
    _, expected = explained(exact, dense, labels, NGRAMS)
    _, contributions = explained(rounded, dense, labels, NGRAMS)
    np.testing.assert_allclose(np.abs(contributions).sum(), np.abs(expected).sum(), rtol=0.05)
    assert contributions.dtype == np.float32
