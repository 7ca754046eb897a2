"""A few steps of training do the same in every way of computing them, and for every member of an ensemble."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.config import TrainConfig
from trainer.model import compiled_tagger
from trainer.strategies import padded

NGRAMS, LABELS, PAPERS = 60, 7, 48
_RANDOM = np.random.default_rng(0)
WEIGHTS = (_RANDOM.random((PAPERS, NGRAMS)) * (_RANDOM.random((PAPERS, NGRAMS)) < 0.2)).astype(np.float32)
# Learnable: a label applies where its n-gram weighs much.
APPLIES = (WEIGHTS[:, :LABELS] > 0.2).astype(np.float32)


def papers(batch_size=16):
    rows = tf.data.Dataset.range(0, PAPERS, batch_size)

    def batch(start):
        return tf.sparse.from_dense(tf.constant(WEIGHTS)[start : start + batch_size]), tf.constant(APPLIES)[
            start : start + batch_size
        ]

    return rows.map(batch)


def fitted(epochs=3, data=None, **arguments):
    """A pair of models after some epochs, and the loss of each."""
    config_fields = {field.name for field in dataclasses.fields(TrainConfig)} - {'precision'}
    settings = {name: arguments.pop(name) for name in config_fields & set(arguments)}
    plain = {'hidden_units': (16, 8), 'dropout': 0.0, 'ngram_dropout': 0.0, 'learning_rate': 0.01, 'ensemble_size': 1}
    settings = {**plain, **settings}
    keras.utils.set_random_seed(0)
    config = TrainConfig(data_dir='', model_dir='', **settings)
    taggers = compiled_tagger(config, ngrams=NGRAMS, labels=LABELS, **arguments)
    history = taggers.trained.fit(data or papers(), epochs=epochs, shuffle=False, verbose=0).history
    return taggers, history.get('loss')


def test_what_is_fitted_gives_the_logits_of_the_same_weights():
    taggers, losses = fitted(wide=True)
    assert losses[2] < losses[0]
    taggers.tagger.get_layer('probabilities').scale.assign(2)
    weights = tf.sparse.from_dense(WEIGHTS)
    expected = keras.ops.sigmoid(2 * taggers.trained(weights)[:, 0])
    np.testing.assert_allclose(taggers.tagger(weights), expected, rtol=1e-6)


@pytest.mark.parametrize(
    'settings', [{}, {'wide': True}, {'hidden_units': (), 'wide': True}, {'wide': True, 'ensemble_size': 2}]
)
def test_padded_batches_compiled_by_xla_train_to_the_weights_of_sparse_ones(settings):
    ngrams_per_paper = int((WEIGHTS > 0).sum(axis=1).max())
    data = padded(papers(), 16, ngrams_per_paper)
    compiled, _ = fitted(data=data, static_shapes=True, weight_decay=0.01, **settings)
    sparse, _ = fitted(weight_decay=0.01, **settings)
    assert compiled.trained.jit_compile
    for given, expected in zip(compiled.tagger.weights, sparse.tagger.weights, strict=True):
        np.testing.assert_allclose(given.numpy(), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize('precision', ['mixed_bfloat16', 'mixed_float16'])
def test_an_epoch_in_mixed_precision_reaches_about_the_loss_of_float32(precision):
    # Long steps would add up what the precisions round differently.
    taggers, losses = fitted(precision=precision, embedding_rate=10.0)
    _, expected = fitted(embedding_rate=10.0)
    np.testing.assert_allclose(losses, expected, rtol=0.02)
    assert {weight.dtype for weight in taggers.trained.weights} == {'float32'}
    hidden = taggers.tagger.get_layer('hidden_1').output
    assert (hidden.dtype, taggers.trained.output.dtype) == (precision.removeprefix('mixed_'), 'float32')


@pytest.mark.parametrize('ensemble_size', [1, 2])
def test_the_same_seed_gives_the_same_weights_to_the_bit(ensemble_size):
    settings = {'dropout': 0.3, 'ngram_dropout': 0.2, 'wide': True, 'ensemble_size': ensemble_size}
    first, second = (fitted(**settings)[0].tagger.get_weights() for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('precision', ['float32', 'mixed_float16'])
def test_the_variables_of_tagger_and_optimizer_are_all_that_training_goes_on_from(precision):
    def variables(taggers):
        return [*taggers.tagger.variables, *taggers.trained.optimizer.variables]

    settings = {'dropout': 0.3, 'ngram_dropout': 0.2, 'wide': True, 'ensemble_size': 2, 'precision': precision}
    whole, _ = fitted(epochs=3, **settings)
    begun, _ = fitted(epochs=2, **settings)
    going_on, _ = fitted(epochs=1, **settings)
    for variable, value in zip(variables(going_on), variables(begun), strict=True):
        variable.assign(value)
    going_on.trained.fit(papers(), epochs=1, shuffle=False, verbose=0)
    for one, other in zip(going_on.trained.get_weights(), whole.trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_ensemble_gives_the_mean_of_its_members_logits():
    taggers, _ = fitted(wide=True, ensemble_size=3)
    weights = tf.sparse.from_dense(WEIGHTS)
    logits = taggers.trained(weights).numpy()
    assert logits.shape == (PAPERS, 3, LABELS)
    assert np.abs(logits[:, 0] - logits[:, 1]).max() > 0.1
    np.testing.assert_allclose(taggers.tagger(weights), 1 / (1 + np.exp(-logits.mean(axis=1))), atol=1e-6)


def test_a_member_of_an_ensemble_learns_what_it_would_learn_alone():
    # Adam's epsilon is not divided by the members, and long steps would add up what differs.
    settings = {'wide': True, 'embedding_rate': 10.0}
    alone, _ = fitted(**settings)
    beginning = fitted(epochs=0, **settings)[0].trained.get_weights()
    ensemble, _ = fitted(epochs=0, ensemble_size=2, **settings)

    def first():
        return [weight for weight in ensemble.trained.weights if weight.path.startswith('member_1_')]

    for weight, value in zip(first(), beginning, strict=True):
        weight.assign(value)
    ensemble.trained.fit(papers(), epochs=3, shuffle=False, verbose=0)
    for weight, expected in zip(first(), alone.trained.get_weights(), strict=True):
        np.testing.assert_allclose(weight.numpy(), expected, atol=5e-3)


def test_weight_decay_spares_the_biases():
    taggers, _ = fitted(weight_decay=0.1)
    optimizer = taggers.trained.optimizer
    decaying = [weight.path for weight in taggers.trained.trainable_weights if optimizer._use_weight_decay(weight)]
    assert decaying == ['embedding/kernel', 'hidden_1/kernel', 'logits/kernel']
