"""The tagger: what its layers are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.config import TrainConfig
from trainer.model import CalibratedSigmoid, build_tagger, compiled_tagger

NGRAMS, LABELS, PAPERS = 60, 7, 48
_RANDOM = np.random.default_rng(0)
WEIGHTS = (_RANDOM.random((PAPERS, NGRAMS)) * (_RANDOM.random((PAPERS, NGRAMS)) < 0.2)).astype(np.float32)


def test_the_tagger_gives_a_probability_for_each_label_of_each_paper():
    keras.utils.set_random_seed(0)
    model = build_tagger(ngrams=NGRAMS, labels=LABELS, hidden_units=(16, 8), dropout=0.5)
    with_weights = [layer.name for layer in model.layers if layer.weights]
    assert with_weights == ['embedding', 'hidden_1', 'logits', 'probabilities']
    probabilities = model(tf.sparse.from_dense(WEIGHTS)).numpy()
    assert probabilities.shape == (PAPERS, LABELS)
    assert np.all((probabilities > 0) & (probabilities < 1))


@pytest.mark.parametrize('layers', [{'hidden_units': ()}, {'hidden_units': (16,), 'ensemble_size': 3}])
@pytest.mark.parametrize(('positive_weights', 'expected'), [(None, [0.5, 0.2]), ([1.0, 4.0], [0.5, 0.5])])
def test_to_a_new_model_labels_are_as_likely_as_they_are_frequent_and_count(layers, positive_weights, expected):
    config = TrainConfig(data_dir='', model_dir='', wide=True, **layers)
    shares = np.array([0.5, 0.2])
    model = compiled_tagger(
        config, ngrams=NGRAMS, labels=2, label_shares=shares, positive_weights=positive_weights
    ).tagger
    nothing = tf.sparse.from_dense(np.zeros((1, NGRAMS), np.float32))
    np.testing.assert_allclose(model(nothing), [expected], rtol=1e-6)


def test_a_wide_model_without_hidden_layers_is_a_linear_one():
    model = build_tagger(ngrams=NGRAMS, labels=LABELS, hidden_units=(), wide=True)
    [kernel, bias] = model.trainable_weights
    kernel.assign(_RANDOM.normal(size=(NGRAMS, LABELS)))
    logits = WEIGHTS @ kernel.numpy() + bias.numpy()
    np.testing.assert_allclose(model(tf.sparse.from_dense(WEIGHTS)), 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_the_wide_path_is_added_to_the_logits():
    model = build_tagger(ngrams=NGRAMS, labels=LABELS, hidden_units=(16,), wide=True)
    logits = keras.Model(model.inputs, model.get_layer('probabilities').input)
    before = logits(tf.sparse.from_dense(WEIGHTS)).numpy()
    wide = _RANDOM.normal(size=(NGRAMS, LABELS)).astype(np.float32)
    kernel = model.get_layer('embedding').kernel
    kernel.assign(np.concatenate([kernel.numpy()[:, :16], wide], axis=1))
    np.testing.assert_allclose(logits(tf.sparse.from_dense(WEIGHTS)), before + WEIGHTS @ wide, atol=1e-5)


def test_calibration_scales_and_shifts_the_logits():
    layer = CalibratedSigmoid()
    assert layer(np.array([[0.0, np.log(3)]])).numpy().tolist() == [[0.5, 0.75]]
    layer.scale.assign(2)
    layer.offset.assign(np.log(3))
    np.testing.assert_allclose(layer(np.array([[0.0, np.log(3)]])), [[3 / 4, 27 / 28]], rtol=1e-6)
    assert layer.trainable_weights == []


@pytest.mark.parametrize(('epsilon', 'ensemble_size', 'expected'), [(7e-3, 1, 1e-3), (7e-3, 2, 5e-4), (None, 2, 1e-7)])
def test_the_weights_of_ngrams_have_a_rate_and_an_epsilon_of_their_own(epsilon, ensemble_size, expected):
    settings = {'embedding_rate': 20.0, 'embedding_epsilon': epsilon, 'ensemble_size': ensemble_size}
    config = TrainConfig(data_dir='', model_dir='', **settings)
    optimizer = compiled_tagger(config, ngrams=NGRAMS, labels=LABELS).trained.optimizer
    assert (optimizer.sparse_rate, optimizer.sparse_epsilon, optimizer.epsilon) == (20.0, expected, 1e-7)
