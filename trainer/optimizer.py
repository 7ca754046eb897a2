"""Adam that touches only those rows of an embedding that a batch used."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

# Rows that are updated at a time: their copies stay below 20 MB, and mostly in the processor's cache.
_ROWS_AT_ONCE = 8192

# What TensorFlow calls a resource that no other operation can name; it ends with the last use of its handle.
_ANONYMOUS = 'cd2c89b7-88b7-44c8-ad83-06c2a9158347'


@keras.saving.register_keras_serializable('arxiv_tagger')
class LazyAdam(keras.optimizers.Adam):
    """AdamW (Kingma and Ba, 2015; Loshchilov and Hutter, 2019), lazy for variables whose gradient is sparse.

    For a dense gradient this is `keras.optimizers.AdamW`. For a gradient that comes as `tf.IndexedSlices`, as that of
    an embedding does, a step reads and writes the rows with a gradient and no others, in the variable and in both
    moments:

        w[i] <- w[i] - rate weight_decay w[i]
        m[i] <- m[i] + (1 - beta_1) (g[i] - m[i])
        v[i] <- v[i] + (1 - beta_2) (g[i]^2 - v[i])
        w[i] <- w[i] - alpha m[i] / (sqrt(v[i]) + epsilon),  alpha = rate sqrt(1 - beta_2^t) / (1 - beta_1^t)

    where t counts the steps of the optimizer, not those of the row. Gradients of the same row are summed first.

    The difference from AdamW is in the rows without a gradient: AdamW lets their moments and weights decay and moves
    them on by the momentum that is left, LazyAdam leaves all of them alone until the row is used again. Where every
    row has a gradient in every step, the two are equal. A step costs time in proportion to the rows that it touches;
    AdamW's costs time in proportion to the vocabulary. It costs least where rows ascend, as those of
    `trainer.model.embedding_bags` do.

    Sparse variables can have a rate and an epsilon of their own. Adam divides a gradient by the size that gradients of
    the same weight have had, so that the first steps of a row that is used five times in an epoch are as long as those
    of a row that is used in every batch: rare n-grams are learned by heart. An epsilon far above the size of the
    gradients, with a rate raised to match, leaves steps in proportion to gradients, as in gradient descent with
    momentum, and rare rows short of the weights of frequent ones.

    Clipping and moving averages of the weights are not offered, as they touch all rows. `exclude_from_weight_decay`
    works as in Keras.

    Args:
        learning_rate, beta_1, beta_2, epsilon, weight_decay, name: as in `keras.optimizers.AdamW`; no decay is 0.
        sparse_rate: the rate of variables with sparse gradients, as a multiple of the learning rate.
        sparse_epsilon: the epsilon of variables with sparse gradients; default: `epsilon`.
        static_shapes: computes the same with tensors of fixed shapes, as XLA needs them, in time in proportion to the
            vocabulary.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        sparse_rate: float = 1.0,
        sparse_epsilon: float | None = None,
        static_shapes: bool = False,
        name: str = 'lazy_adam',
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay or None,
            name=name,
        )
        self.sparse_rate = sparse_rate
        self.sparse_epsilon = epsilon if sparse_epsilon is None else sparse_epsilon
        self.static_shapes = static_shapes

    def _apply_weight_decay(self, variables: Any) -> None:
        """Leaves the decay to `update_step`, which knows the rows."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        sparse = isinstance(gradient, tf.IndexedSlices)
        if sparse:
            learning_rate = learning_rate * self.sparse_rate
        kept = None
        if self.weight_decay and self._use_weight_decay(variable):
            kept = 1.0 - tf.cast(learning_rate, variable.dtype) * self.weight_decay
        if not sparse:
            if kept is not None:
                variable.assign(variable * kept)
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        states = variable, self._momentums[index].value, self._velocities[index].value
        update = self._update_all if self.static_shapes else self._update_rows
        update(tf.cast(gradient, variable.dtype), states, learning_rate, kept)

    def _update_rows(self, gradient: tf.IndexedSlices, states: tuple[Any, ...], learning_rate: Any, kept: Any) -> None:
        rows, gradients = sum_duplicate_rows(gradient)

        def update(start: tf.Tensor) -> list[tf.Tensor]:
            part = rows[start : start + _ROWS_AT_ONCE]
            # TensorFlow's Adam is one pass over memory, but only for whole variables: these last for one call.
            # It rounds 1 - beta_2 to float32 where Keras does not: their steps differ by 6e-6 of a step.
            weights, *moments = (tf.gather(state, part) for state in states)
            if kept is not None:
                weights *= kept
            handles = [_temporary_variable(value) for value in (weights, *moments)]
            step = tf.cast(self.iterations.value + 1, weights.dtype)
            done = tf.raw_ops.ResourceApplyAdam(
                var=handles[0],
                m=handles[1],
                v=handles[2],
                beta1_power=self.beta_1**step,
                beta2_power=self.beta_2**step,
                lr=tf.cast(learning_rate, weights.dtype),
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.sparse_epsilon,
                grad=gradients[start : start + _ROWS_AT_ONCE],
            )
            with tf.control_dependencies([done]):
                for state, handle in zip(states, handles, strict=True):
                    updated = tf.raw_ops.ReadVariableOp(resource=handle, dtype=state.dtype)
                    state.scatter_update(tf.IndexedSlices(updated, part))
            return [start + _ROWS_AT_ONCE]

        tf.while_loop(lambda start: start < tf.size(rows), update, [tf.constant(0)], parallel_iterations=1)

    def _update_all(self, gradient: tf.IndexedSlices, states: tuple[Any, ...], learning_rate: Any, kept: Any) -> None:
        rows = states[0].shape[0]
        gradients = tf.math.unsorted_segment_sum(gradient.values, gradient.indices, rows)
        touched = tf.math.unsorted_segment_sum(tf.ones_like(gradient.indices), gradient.indices, rows)[:, None] > 0
        step = tf.cast(self.iterations.value + 1, gradients.dtype)
        alpha = tf.cast(learning_rate, gradients.dtype) * tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        w, m, v = states
        new_m = m + (1 - self.beta_1) * (gradients - m)
        new_v = v + (1 - self.beta_2) * (tf.square(gradients) - v)
        new_w = (w if kept is None else w * kept) - alpha * new_m / (tf.sqrt(new_v) + self.sparse_epsilon)
        for state, new in zip(states, (new_w, new_m, new_v), strict=True):
            state.assign(tf.where(touched, new, state))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        names = ('learning_rate', 'beta_1', 'beta_2', 'epsilon', 'name')
        return {
            **{name: config[name] for name in names},
            'weight_decay': self.weight_decay or 0.0,
            'sparse_rate': self.sparse_rate,
            'sparse_epsilon': self.sparse_epsilon,
            'static_shapes': self.static_shapes,
        }


@keras.saving.register_keras_serializable('arxiv_tagger')
class LazyLossScale(keras.optimizers.LossScaleOptimizer):
    """Keras' dynamic loss scaling, which for sparse gradients looks at their slices alone."""

    def check_finite(self, grads: Any) -> Any:
        # Keras would make the gradient dense, as large as the vocabulary, to ask whether all of it is finite.
        return super().check_finite([g.values if isinstance(g, tf.IndexedSlices) else g for g in grads])


def _temporary_variable(value: tf.Tensor) -> tf.Tensor:
    """Gives the handle of a variable that holds `value` and ends with the handle's last use."""
    handle = tf.raw_ops.VarHandleOp(dtype=value.dtype, shape=value.shape, shared_name=_ANONYMOUS)
    with tf.control_dependencies([tf.raw_ops.AssignVariableOp(resource=handle, value=value)]):
        return tf.identity(handle)


def sum_duplicate_rows(gradient: tf.IndexedSlices) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums the slices of a gradient that belong to the same row.

    Args:
        gradient: slices [n, ...] and the row of each.

    Returns:
        The distinct rows, [m] with m <= n, ascending, and their slices, [m, ...].
    """

    def summed() -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.sort(tf.unique(gradient.indices)[0])
        positions = tf.searchsorted(rows, gradient.indices)
        return rows, tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(rows))

    ascending = tf.reduce_all(gradient.indices[1:] > gradient.indices[:-1])
    # So the embedding bag gives them, each once; summing would copy all slices to no effect.
    return tf.cond(ascending, lambda: (gradient.indices, gradient.values), summed)
