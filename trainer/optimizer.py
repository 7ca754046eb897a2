"""Adam that touches only those rows of an embedding that a batch used."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable('arxiv_tagger')
class LazyAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, 2015) with lazy updates of variables whose gradient is sparse.

    For a dense gradient this is `keras.optimizers.Adam`. For a gradient that comes as `tf.IndexedSlices`, as that of
    an embedding does, a step reads and writes the rows with a gradient and no others, in the variable and in both
    moments:

        m[i] <- m[i] + (1 - beta_1) (g[i] - m[i])
        v[i] <- v[i] + (1 - beta_2) (g[i]^2 - v[i])
        w[i] <- w[i] - alpha m[i] / (sqrt(v[i]) + epsilon),  alpha = rate sqrt(1 - beta_2^t) / (1 - beta_1^t)

    where t counts the steps of the optimizer, not those of the row. Gradients of the same row are summed first.

    The difference from Adam is in the rows without a gradient: Adam lets their moments decay and moves them on by the
    momentum that is left, LazyAdam leaves both alone until the row is used again. Where every row has a gradient in
    every step, the two are equal. A step costs time in proportion to the rows that it touches; Adam's costs time in
    proportion to the vocabulary.

    Weight decay, clipping and moving averages of the weights are not offered, as they touch all rows.

    Args:
        learning_rate, beta_1, beta_2, epsilon, name: as in `keras.optimizers.Adam`.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = 'lazy_adam',
    ) -> None:
        super().__init__(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, name=name)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        moments = self._momentums[index].value, self._velocities[index].value
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        alpha = tf.cast(learning_rate, variable.dtype) * tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)

        rows, gradients = sum_duplicate_rows(gradient)
        gradients = tf.cast(gradients, variable.dtype)
        m, v = (tf.gather(moment, rows) for moment in moments)
        m += (1 - self.beta_1) * (gradients - m)
        v += (1 - self.beta_2) * (tf.square(gradients) - v)
        moments[0].scatter_update(tf.IndexedSlices(m, rows))
        moments[1].scatter_update(tf.IndexedSlices(v, rows))
        variable.scatter_sub(tf.IndexedSlices(alpha * m / (tf.sqrt(v) + self.epsilon), rows))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        names = ('learning_rate', 'beta_1', 'beta_2', 'epsilon', 'name')
        return {name: config[name] for name in names}


def sum_duplicate_rows(gradient: tf.IndexedSlices) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums the slices of a gradient that belong to the same row.

    Args:
        gradient: slices [n, ...] and the row of each.

    Returns:
        The distinct rows, [m] with m <= n, in the order in which they first occur, and their slices, [m, ...].
    """
    rows, positions = tf.unique(gradient.indices)
    # The embedding bag gives each row once; summing would copy all slices to no effect.
    gradients = tf.cond(
        tf.size(rows) == tf.size(gradient.indices),
        lambda: gradient.values,
        lambda: tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(rows)),
    )
    return rows, gradients
