"""LazyAdam is Adam on dense gradients, and on sparse ones touches the rows of the batch and no others."""

import keras
import numpy as np
import tensorflow as tf

from trainer.optimizer import LazyAdam, sum_duplicate_rows

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


def test_dense_gradients_give_what_keras_adam_gives():
    gradients = [tf.constant(gradient) for gradient in random_gradients(20)]
    expected = train(keras.optimizers.Adam(0.01), gradients)
    np.testing.assert_array_equal(train(LazyAdam(0.01), gradients), expected)


def test_sparse_gradients_of_all_rows_give_what_keras_adam_gives():
    gradients = random_gradients(20)
    expected = train(keras.optimizers.Adam(0.01), [tf.constant(gradient) for gradient in gradients])
    np.testing.assert_allclose(train(LazyAdam(0.01), map(all_rows, gradients)), expected, atol=1e-6)


def test_a_decaying_learning_rate_is_followed():
    def optimizer(kind):
        return kind(keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=2, decay_rate=0.5))

    gradients = random_gradients(6)
    expected = train(optimizer(keras.optimizers.Adam), [tf.constant(gradient) for gradient in gradients])
    np.testing.assert_allclose(train(optimizer(LazyAdam), map(all_rows, gradients)), expected, atol=1e-6)


def test_rows_without_a_gradient_stay_as_they_are_with_their_moments():
    optimizer = LazyAdam(0.01)
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
    assert rows.numpy().tolist() == [5, 3]
    assert gradients.numpy().tolist() == [[5.0], [10.0]]


def test_the_step_of_an_embedding_copies_nothing_of_the_size_of_the_vocabulary():
    rows, units = 1000, 32
    optimizer, variable = LazyAdam(0.01), keras.Variable(np.zeros((rows, units), np.float32))
    optimizer.build([variable])
    gradient = tf.IndexedSlices(tf.ones([2, units]), tf.constant([1, rows - 1]), tf.constant([rows, units]))
    step = tf.function(lambda: optimizer.apply([gradient], [variable])).get_concrete_function()
    tensors = [tensor for operation in step.graph.get_operations() for tensor in operation.outputs]
    assert [tensor for tensor in tensors if tensor.shape.rank and tensor.shape[0] == rows] == []


def test_a_saved_optimizer_comes_back_the_same():
    config = LazyAdam(0.02, beta_1=0.8).get_config()
    assert keras.optimizers.deserialize(keras.optimizers.serialize(LazyAdam(0.02, beta_1=0.8))).get_config() == config
