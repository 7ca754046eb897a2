"""LazyAdam is AdamW on dense gradients, and on sparse ones touches the rows of the batch and no others."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import optimizer as optimizer_module
from trainer.optimizer import LazyAdam, LazyLossScale, sum_duplicate_rows

START = np.arange(12, dtype=np.float32).reshape(4, 3) / 10


def train(optimizer, gradients):
    variable = keras.Variable(START)
    for gradient in gradients:
        optimizer.apply([gradient], [variable])
    return variable.numpy()


def random_gradients(steps, shape=(4, 3)):
    return list(np.random.default_rng(0).normal(size=(steps, *shape)).astype(np.float32))


def all_rows(gradient, order=(2, 0, 3, 1)):
    return tf.IndexedSlices(tf.constant(gradient[list(order)]), tf.constant(order), tf.constant([4, 3]))


@pytest.mark.parametrize('decay', [0.0, 0.1])
def test_dense_gradients_give_what_keras_gives(decay):
    gradients = [tf.constant(gradient) for gradient in random_gradients(20)]
    expected = train(keras.optimizers.AdamW(0.01, weight_decay=decay), gradients)
    np.testing.assert_allclose(train(LazyAdam(0.01, weight_decay=decay), gradients), expected, atol=1e-6)


@pytest.mark.parametrize('static_shapes', [False, True])
@pytest.mark.parametrize('decay', [0.0, 0.1])
@pytest.mark.parametrize('order', [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_sparse_gradients_of_all_rows_give_what_keras_gives(order, decay, static_shapes):
    gradients = random_gradients(20)
    expected = train(
        keras.optimizers.AdamW(0.01, weight_decay=decay), [tf.constant(gradient) for gradient in gradients]
    )
    optimizer = LazyAdam(0.01, weight_decay=decay, static_shapes=static_shapes)
    given = train(optimizer, [all_rows(gradient, order) for gradient in gradients])
    np.testing.assert_allclose(given, expected, atol=1e-6)


@pytest.mark.parametrize('static_shapes', [False, True])
@pytest.mark.parametrize('decay', [0.0, 0.1])
def test_sparse_gradients_can_have_a_rate_and_an_epsilon_of_their_own(decay, static_shapes):
    gradients = random_gradients(20)
    expected = train(
        keras.optimizers.AdamW(0.01, epsilon=0.5, weight_decay=decay), [tf.constant(gradient) for gradient in gradients]
    )
    optimizer = LazyAdam(0.002, weight_decay=decay, sparse_rate=5.0, sparse_epsilon=0.5, static_shapes=static_shapes)
    np.testing.assert_allclose(train(optimizer, map(all_rows, gradients)), expected, atol=1e-6)


def test_dense_gradients_keep_the_plain_rate_and_epsilon_beside_sparse_ones():
    gradients = random_gradients(20)
    expected = train(keras.optimizers.AdamW(0.01, weight_decay=0.1), [tf.constant(gradient) for gradient in gradients])
    optimizer = LazyAdam(0.01, weight_decay=0.1, sparse_rate=5.0, sparse_epsilon=0.5)
    dense, sparse = keras.Variable(START), keras.Variable(START)
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient), all_rows(gradient)], [dense, sparse])
    np.testing.assert_allclose(dense.numpy(), expected, atol=1e-6)


def test_the_epsilon_of_sparse_gradients_is_that_of_all_where_it_is_not_said():
    gradients = random_gradients(20)
    expected = train(keras.optimizers.Adam(0.01, epsilon=0.5), [tf.constant(gradient) for gradient in gradients])
    np.testing.assert_allclose(train(LazyAdam(0.01, epsilon=0.5), map(all_rows, gradients)), expected, atol=1e-6)


def test_more_rows_than_are_updated_at_a_time_give_what_keras_gives(monkeypatch):
    monkeypatch.setattr(optimizer_module, '_ROWS_AT_ONCE', 3)
    gradients = random_gradients(5)
    expected = train(keras.optimizers.Adam(0.01), [tf.constant(gradient) for gradient in gradients])
    np.testing.assert_allclose(train(LazyAdam(0.01), map(all_rows, gradients)), expected, atol=1e-6)


def test_biases_can_be_spared_from_the_decay():
    optimizer = LazyAdam(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=['bias'])
    kernel, bias = keras.Variable(START, name='kernel'), keras.Variable(START, name='bias')
    optimizer.apply([tf.zeros((4, 3)), tf.zeros((4, 3))], [kernel, bias])
    np.testing.assert_array_equal(kernel.numpy(), START * 0.75)
    np.testing.assert_array_equal(bias.numpy(), START)


def test_a_decaying_learning_rate_is_followed():
    def optimizer(kind):
        return kind(keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=2, decay_rate=0.5))

    gradients = random_gradients(6)
    expected = train(optimizer(keras.optimizers.Adam), [tf.constant(gradient) for gradient in gradients])
    np.testing.assert_allclose(train(optimizer(LazyAdam), map(all_rows, gradients)), expected, atol=1e-6)


@pytest.mark.parametrize('static_shapes', [False, True])
def test_rows_without_a_gradient_stay_as_they_are_with_their_moments(static_shapes):
    optimizer = LazyAdam(0.01, weight_decay=0.1, static_shapes=static_shapes)
    variable = keras.Variable(START)
    [first, second] = random_gradients(2)
    optimizer.apply([all_rows(first)], [variable])
    states = [variable, *optimizer._momentums, *optimizer._velocities]
    before = [state.numpy() for state in states]
    optimizer.apply([tf.IndexedSlices(tf.constant(second[1:2]), tf.constant([2]), tf.constant([4, 3]))], [variable])
    for state, old in zip(states, before, strict=True):
        np.testing.assert_array_equal(state.numpy()[[0, 1, 3]], old[[0, 1, 3]])
        assert np.all(state.numpy()[2] != old[2])


def test_gradients_of_the_same_row_are_summed_first():
    duplicated = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0], [8.0]]), tf.constant([5, 3, 5, 3]))
    rows, gradients = sum_duplicate_rows(duplicated)
    assert rows.numpy().tolist() == [3, 5]
    assert gradients.numpy().tolist() == [[10.0], [5.0]]


def test_the_step_of_an_embedding_copies_nothing_of_the_size_of_the_vocabulary():
    rows, units = 1000, 32
    optimizer, variable = LazyAdam(0.01), keras.Variable(np.zeros((rows, units), np.float32))
    optimizer.build([variable])
    gradient = tf.IndexedSlices(tf.ones([2, units]), tf.constant([1, rows - 1]), tf.constant([rows, units]))
    step = tf.function(lambda: optimizer.apply([gradient], [variable])).get_concrete_function()
    tensors = [tensor for operation in step.graph.get_operations() for tensor in operation.outputs]
    assert [tensor for tensor in tensors if tensor.shape.rank and tensor.shape[0] == rows] == []


def test_a_saved_optimizer_comes_back_the_same():
    optimizer = LazyAdam(0.02, beta_1=0.8, weight_decay=0.1, sparse_rate=5.0, sparse_epsilon=0.5, static_shapes=True)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    changed = ('weight_decay', 'sparse_rate', 'sparse_epsilon', 'static_shapes')
    assert [again.get_config()[name] for name in changed] == [0.1, 5.0, 0.5, True]


def test_scaled_gradients_give_what_plain_ones_give():
    gradients = random_gradients(5)
    scaled = [all_rows(gradient * 8) for gradient in gradients]
    given = train(LazyLossScale(LazyAdam(0.01), initial_scale=8), scaled)
    np.testing.assert_allclose(given, train(LazyAdam(0.01), map(all_rows, gradients)), atol=1e-7)


def test_a_gradient_that_overflowed_changes_nothing_but_the_scale():
    optimizer = LazyLossScale(LazyAdam(0.01), initial_scale=8)
    assert train(optimizer, [all_rows(np.full((4, 3), np.inf, np.float32))]).tolist() == START.tolist()
    assert float(optimizer.dynamic_scale) == 4


def test_asking_whether_a_sparse_gradient_is_finite_does_not_make_it_dense():
    gradient = tf.IndexedSlices(tf.ones([2, 3]), tf.constant([1, 999]), tf.constant([1000, 3]))
    optimizer = LazyLossScale(LazyAdam())
    finite = tf.function(lambda: optimizer.check_finite([gradient])).get_concrete_function()
    shapes = [tensor.shape for operation in finite.graph.get_operations() for tensor in operation.outputs]
    assert [shape for shape in shapes if shape.rank and shape[0] == 1000] == []


def test_a_step_is_the_same_to_the_bit_in_every_run():
    random = np.random.default_rng(3)
    rows = np.sort(random.choice(40_000, 20_000, replace=False))
    slices = random.normal(size=(20_000, 16)).astype(np.float32)

    def weights():
        variable, optimizer = keras.Variable(np.ones((40_000, 16), np.float32)), LazyAdam(weight_decay=0.1)
        for _ in range(3):
            optimizer.apply([tf.IndexedSlices(slices, rows, [40_000, 16])], [variable])
        return variable.numpy()

    first = weights()
    for _ in range(3):
        np.testing.assert_array_equal(weights(), first)
