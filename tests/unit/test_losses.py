"""The loss is Keras' binary cross-entropy, with a choice of what labels are smoothed towards and positives weighted."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.losses import CrossEntropyOfLogits

_RANDOM = np.random.default_rng(0)
LABELS = (_RANDOM.random((7, 5)) < 0.3).astype(np.float32)
LOGITS = _RANDOM.normal(0, 3, (7, 5)).astype(np.float32)


@pytest.mark.parametrize('smoothing', [0.0, 0.2])
def test_it_is_what_keras_computes(smoothing):
    expected = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)(LABELS, LOGITS)
    np.testing.assert_allclose(CrossEntropyOfLogits(smoothing)(LABELS, LOGITS), expected, rtol=1e-6)


def test_positive_weights_are_those_of_tensorflow():
    weights = np.array([1, 2, 0.5, 30, 1], np.float32)
    expected = tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(LABELS, LOGITS, weights))
    np.testing.assert_allclose(CrossEntropyOfLogits(positive_weights=weights)(LABELS, LOGITS), expected, rtol=1e-6)


def test_a_label_is_smoothed_towards_its_share_of_the_papers():
    # 0.9 * 1 + 0.1 * 0.5 = 0.95 and 0.9 * 0 + 0.1 * 0.25 = 0.025; at a logit of 0 both halves of the loss are log 2,
    # so a large logit shows the label: -log(sigmoid(20)) is 0 and -log(1 - sigmoid(20)) is 20.
    loss = CrossEntropyOfLogits(0.1, targets=[0.5, 0.25])
    assert float(loss(np.array([[1.0, 0.0]]), np.array([[20.0, 0.0]]))) == pytest.approx((0.05 * 20 + np.log(2)) / 2)
    assert float(loss(np.array([[1.0, 0.0]]), np.array([[20.0, 20.0]]))) == pytest.approx((0.05 * 20 + 0.975 * 20) / 2)


def test_of_an_ensemble_it_is_the_mean_over_the_members():
    loss = CrossEntropyOfLogits(0.1, targets=np.linspace(0, 1, 5), positive_weights=np.linspace(1, 3, 5))
    expected = (loss(LABELS, LOGITS) + loss(LABELS, 2 - LOGITS)) / 2
    np.testing.assert_allclose(loss(LABELS, np.stack([LOGITS, 2 - LOGITS], axis=1)), expected, rtol=1e-6)


def test_logits_far_from_0_give_finite_losses_and_gradients():
    logits = tf.constant([[1e4, -1e4, 1e4, -1e4]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = CrossEntropyOfLogits()(tf.constant([[1.0, 0.0, 0.0, 1.0]]), logits)
    assert float(loss) == 5000
    assert tape.gradient(loss, logits).numpy().tolist() == [[0, 0, 0.25, -0.25]]


def test_a_saved_loss_comes_back_the_same():
    loss = CrossEntropyOfLogits(0.1, targets=[0.5, 0.25], positive_weights=[1, 2])
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    labels, logits = np.array([[1.0, 0.0]]), np.array([[0.3, -0.7]])
    assert float(again(labels, logits)) == float(loss(labels, logits))
