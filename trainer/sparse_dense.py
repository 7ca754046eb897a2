"""The first layer: dense in all but cost."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def embedding_bags(kernel: tf.Variable | tf.Tensor, weights: tf.SparseTensor, *, trains: bool = True) -> tf.Tensor:
    """Multiplies a sparse matrix with the rows of another that it needs.

    Row p of the result is the sum over the n-grams i of paper p of weights[p, i] * kernel[i]: what a dense layer
    without bias gives, and `tf.nn.embedding_lookup_sparse` with the combiner 'sum'. Nothing of the size of the kernel
    is computed. The rows that a batch needs are gathered from a variable once, however many papers share them, so the
    gradient with regard to `kernel` holds each of these rows once, ascending, and no other.

    Args:
        kernel: float32 [ngrams, units]. A tensor is not gathered from, which is faster, and does not train.
        weights: float32 SparseTensor [papers, ngrams], ordered by paper.
        trains: whether a gradient will be asked for, of a variable.

    Returns:
        float32 [papers, units].
    """
    papers = weights.dense_shape[0]
    # The product of a matrix without rows divides by zero and ends the process.
    with_empty_row = papers + 1
    if not isinstance(kernel, tf.Variable):
        shape = tf.stack([with_empty_row, kernel.shape[0]])
        return _sparse_matmul(weights.indices, weights.values, shape, kernel)[:papers]
    rows, columns = weights.indices[:, 0], weights.indices[:, 1]
    ids, positions = _distinct(columns, kernel.shape[0]) if trains else tf.unique(columns, out_idx=tf.int64)
    shape = tf.stack([with_empty_row, tf.size(ids, tf.int64)])
    indices = tf.stack([rows, positions], axis=1)
    product = _sparse_matmul_with_gradient if trains else _sparse_matmul
    return product(indices, weights.values, shape, tf.gather(kernel, ids))[:papers]


def _distinct(ids: tf.Tensor, limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """As `tf.unique` of int64 numbers below `limit`, but ascending: rows in the order in which they lie in memory."""
    occurs = tf.math.bincount(tf.cast(ids, tf.int32), minlength=limit, maxlength=limit, binary_output=True)
    positions = tf.gather(tf.cumsum(occurs, exclusive=True), ids)
    return tf.where(occurs > 0)[:, 0], tf.cast(positions, tf.int64)


def _compressed(indices: tf.Tensor, values: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=indices, values=values, dense_shape=shape)


def _sparse_matmul(indices: tf.Tensor, values: tf.Tensor, shape: tf.Tensor, dense: tf.Tensor) -> tf.Tensor:
    # tf.sparse.sparse_dense_matmul gives the same on one thread only; compressed rows use all of them.
    return tf.raw_ops.SparseMatrixMatMul(a=_compressed(indices, values, shape), b=dense)


@tf.custom_gradient
def _sparse_matmul_with_gradient(indices: tf.Tensor, values: tf.Tensor, shape: tf.Tensor, dense: tf.Tensor) -> Any:
    matrix = _compressed(indices, values, shape)

    def gradient(upstream: tf.Tensor) -> tuple[None, None, None, tf.Tensor]:
        # SparseMatrixMatMul(transpose_a=True) adds up what its threads computed in the order in which they end: the
        # last bits would differ from run to run.
        transposed = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)
        return None, None, None, tf.raw_ops.SparseMatrixMatMul(a=transposed, b=upstream)

    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense), gradient


def padded_embedding_bags(kernel: Any, ids: Any, weights: Any) -> Any:
    """Computes what `embedding_bags` does in Keras' own operations and for fixed shapes, as XLA and TPUs need them.

    Each entry gathers its row for itself, and the gradient holds a row as often as it occurs.

    Args:
        kernel: float32 [ngrams, units].
        ids: int32 [papers, n].
        weights: float32 [papers, n]; 0 for an entry that pads a paper.

    Returns:
        float32 [papers, units].
    """
    return keras.ops.einsum('pn,pnu->pu', weights, keras.ops.take(kernel, ids, axis=0))


@keras.saving.register_keras_serializable('arxiv_tagger')
class SparseDense(keras.layers.Layer):
    """A dense layer whose input is sparse, and whose kernel gets a sparse gradient; with a linear layer beside it.

    Input: float32 SparseTensor [papers, ngrams], or the pair of ids and weights that `padded_embedding_bags` takes.
    Output: [papers, units], activation(input @ kernel + bias), in the layer's precision. With `linear_units` the output
    is the pair of that and of float32 [papers, linear_units], the product with the last columns of the same kernel,
    without bias or activation. One kernel for both means that each row that a batch needs is looked up, gathered and
    updated once.

    The kernel, its products and its gradient are float32 in any precision.

    Attributes:
        for_export: whether it is traced for programs that do nothing but ask. They read the kernel as a whole, which is
            faster; but TensorFlow copies what it reads of a variable that was ever gathered from, as training does.

    Args:
        units: width of the output.
        activation: as in `keras.layers.Dense`.
        linear_units: width of the linear output; its weights start at 0.
        bias_initializer: as in `keras.layers.Dense`.
        dropout: share of a paper's n-grams that are left out in training, the others scaled up to make up for it.
        seed: of the dropout.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        linear_units: int = 0,
        bias_initializer: Any = 'zeros',
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # The inputs stay float32, as the kernel does.
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.linear_units = linear_units
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.dropout = dropout
        self.seed = seed
        self.for_export = False
        self._dropout_seed = keras.random.SeedGenerator(seed)
        # Of what TensorFlow has for sparse tensors XLA compiles nothing.
        self.supports_jit = False

    def build(self, input_shape: tuple[int | None, int]) -> None:
        def columns(shape: tuple[int, int], dtype: Any = None) -> Any:
            embedding = keras.initializers.GlorotUniform()((shape[0], self.units), dtype)
            return keras.ops.pad(embedding, [[0, 0], [0, self.linear_units]])

        # Autocasting would copy the whole kernel in each step; what is gathered from it is cast instead.
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units + self.linear_units), initializer=columns, name='kernel', autocast=False
        )
        self.bias = self.add_weight(shape=(self.units,), initializer=self.bias_initializer, name='bias')

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.activate(self.sums(inputs, training))

    @property
    def rows(self) -> tf.Variable | tf.Tensor:
        """The kernel: what rows are gathered from, or multiplied as a whole."""
        return tf.convert_to_tensor(self.kernel.value) if self.for_export else self.kernel.value

    def sums(self, inputs: Any, training: bool = False) -> Any:
        """Adds up the weighted rows of the kernel: float32 [papers, units + linear_units]."""
        if isinstance(inputs, tf.SparseTensor):
            weights = inputs.with_values(self._drop(inputs.values, training))
            return embedding_bags(self.rows, weights, trains=training)
        ids, weights = inputs
        return padded_embedding_bags(self.kernel, ids, self._drop(weights, training))

    def activate(self, sums: Any) -> Any:
        """Makes the layer's output of what `sums` gives."""
        bias = keras.ops.cast(self.bias, self.compute_dtype)
        hidden = self.activation(keras.ops.cast(sums[:, : self.units], self.compute_dtype) + bias)
        return (hidden, sums[:, self.units :]) if self.linear_units else hidden

    def _drop(self, weights: Any, training: bool) -> Any:
        if not training or not self.dropout:
            return weights
        return keras.random.dropout(weights, self.dropout, seed=self._dropout_seed)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        papers = keras.tree.flatten(inputs)[0].shape[0]
        hidden = keras.KerasTensor((papers, self.units), dtype=self.compute_dtype)
        linear = keras.KerasTensor((papers, self.linear_units), dtype='float32')
        return (hidden, linear) if self.linear_units else hidden

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            'units': self.units,
            'activation': keras.activations.serialize(self.activation),
            'linear_units': self.linear_units,
            'bias_initializer': keras.initializers.serialize(self.bias_initializer),
            'dropout': self.dropout,
            'seed': self.seed,
        }
