"""The first layer is a dense layer in all but cost."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.sparse_dense import SparseDense, embedding_bags, padded_embedding_bags


def weights_of(papers, ngrams, share=0.2):
    random = np.random.default_rng(0)
    dense = random.random((papers, ngrams)) * (random.random((papers, ngrams)) < share)
    return dense.astype(np.float32)


@pytest.mark.parametrize('dense', [weights_of(9, 40), weights_of(9, 40, share=0), np.zeros((0, 40), np.float32)])
def test_embedding_bags_and_their_gradient_equal_those_of_a_dense_product(dense):
    kernel = tf.Variable(np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32))
    upstream = np.random.default_rng(2).normal(size=(len(dense), 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        product = embedding_bags(kernel, tf.sparse.from_dense(dense))
    gradient = tape.gradient(product, kernel, upstream)
    np.testing.assert_allclose(product, dense @ kernel.numpy(), atol=1e-6)
    assert isinstance(gradient, tf.IndexedSlices)
    assert sorted(gradient.indices.numpy()) == np.flatnonzero(dense.any(axis=0)).tolist()
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), dense.T @ upstream, atol=1e-6)


def test_a_sparse_dense_layer_equals_a_dense_one_with_its_weights():
    dense = weights_of(9, 40)
    sparse_layer, dense_layer = SparseDense(5, 'relu'), keras.layers.Dense(5, 'relu')
    sparse_layer.build((None, 40))
    dense_layer.build((None, 40))
    sparse_layer.bias.assign(np.linspace(-1, 1, 5))
    dense_layer.set_weights(sparse_layer.get_weights())
    np.testing.assert_allclose(sparse_layer(tf.sparse.from_dense(dense)), dense_layer(dense), atol=1e-6)


@pytest.mark.parametrize('papers', [9, 1, 0])
def test_a_layer_for_export_gives_the_same(papers):
    layer = SparseDense(5, 'relu', linear_units=2)
    layer.build((None, 40))
    layer.kernel.assign(np.random.default_rng(1).normal(size=(40, 7)))
    weights = tf.sparse.from_dense(weights_of(papers, 40))
    hidden, linear = layer(weights)
    layer.for_export = True
    found = tf.function(layer)(weights)
    np.testing.assert_allclose(found[0], hidden, atol=1e-6)
    np.testing.assert_allclose(found[1], linear, atol=1e-6)


def test_ngram_dropout_leaves_ngrams_out_in_training_only():
    layer = SparseDense(1, dropout=0.5, seed=1)
    layer.build((None, 1000))
    layer.kernel.assign(np.ones((1000, 1)))
    weights = tf.sparse.from_dense(np.full((1, 1000), 1, np.float32))
    assert layer(weights).numpy().tolist() == [[1000]]
    kept = layer(weights, training=True).numpy()[0, 0] / 2
    assert kept.is_integer()
    assert 400 < kept < 600


def test_the_gradient_of_the_embedding_is_the_same_to_the_bit_in_every_run():
    kernel = tf.Variable(np.random.default_rng(1).normal(size=(2000, 128)).astype(np.float32))
    weights = tf.sparse.from_dense(weights_of(128, 2000))
    upstream = tf.constant(np.random.default_rng(2).normal(size=(128, 128)).astype(np.float32))

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            product = embedding_bags(kernel, weights)
        return tape.gradient(product, kernel, upstream).values

    first = gradient().numpy()
    for _ in range(10):
        np.testing.assert_array_equal(gradient().numpy(), first)


def padded_entries(dense):
    """The ids and weights of a dense matrix's rows, as `padded_embedding_bags` takes them."""
    ids = np.argsort(dense == 0, axis=1, kind='stable')[:, : max((dense != 0).sum(axis=1))].astype(np.int32)
    return tf.constant(ids), tf.constant(np.take_along_axis(dense, ids, axis=1))


@pytest.mark.parametrize('compiled', [False, True])
def test_padded_bags_and_their_gradient_equal_those_of_sparse_ones_also_under_xla(compiled):
    dense = weights_of(9, 40)
    kernel = tf.Variable(np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32))
    upstream = tf.constant(np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32))

    def product_and_gradient(bags, *weights):
        with tf.GradientTape() as tape:
            product = bags(kernel, *weights)
        return product, tf.convert_to_tensor(tape.gradient(product, kernel, upstream))

    @tf.function(jit_compile=compiled)
    def padded(ids, weights):
        return product_and_gradient(padded_embedding_bags, ids, weights)

    expected = product_and_gradient(embedding_bags, tf.sparse.from_dense(dense))
    for given, sparse in zip(padded(*padded_entries(dense)), expected, strict=True):
        np.testing.assert_allclose(given, sparse, atol=1e-6)


def test_a_layer_gives_the_same_for_padded_and_for_sparse_ngrams():
    dense = weights_of(9, 40)
    layer = SparseDense(5, 'relu', linear_units=2)
    layer.build((None, 40))
    layer.kernel.assign(np.random.default_rng(1).normal(size=(40, 7)))
    for padded, sparse in zip(layer(padded_entries(dense)), layer(tf.sparse.from_dense(dense)), strict=True):
        np.testing.assert_allclose(padded, sparse, atol=1e-6)


def test_the_linear_output_is_a_product_with_columns_that_start_at_0():
    dense = weights_of(9, 40)
    layer, alone = SparseDense(5, 'relu', linear_units=2), SparseDense(5, 'relu')
    for built in (layer, alone):
        built.build((None, 40))
    assert not layer.kernel.numpy()[:, 5:].any()
    kernel = np.random.default_rng(1).normal(size=(40, 7)).astype(np.float32)
    layer.kernel.assign(kernel)
    alone.kernel.assign(kernel[:, :5])
    hidden, linear = layer(tf.sparse.from_dense(dense))
    np.testing.assert_allclose(hidden, alone(tf.sparse.from_dense(dense)), atol=1e-6)
    np.testing.assert_allclose(linear, dense @ kernel[:, 5:], atol=1e-6)
