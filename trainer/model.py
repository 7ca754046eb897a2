"""The tagger: weighted n-grams in, a probability for each label out."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf


def embedding_bags(kernel: tf.Variable, weights: tf.SparseTensor, *, trains: bool = True) -> tf.Tensor:
    """Multiplies a sparse matrix with the rows of a variable that it needs.

    Row p of the result is the sum over the n-grams i of paper p of weights[p, i] * kernel[i]: what a dense layer
    without bias gives, and `tf.nn.embedding_lookup_sparse` with the combiner 'sum'. The rows that a batch needs are
    gathered once, however many papers share them, so the gradient with regard to `kernel` holds each of these rows
    once and no other; a batch costs time and memory in proportion to its entries, not to the vocabulary.

    Args:
        kernel: float32 [ngrams, units].
        weights: float32 SparseTensor [papers, ngrams], ordered by paper.
        trains: whether a gradient will be asked for. A graph for serving does without, and without TensorFlow's
            warning that the gradient was not saved.

    Returns:
        float32 [papers, units].
    """
    rows, columns = weights.indices[:, 0], weights.indices[:, 1]
    ids, positions = tf.unique(columns, out_idx=tf.int64)
    papers = weights.dense_shape[0]
    # One empty row more: the product of a matrix without rows divides by zero and ends the process.
    shape = tf.stack([papers + 1, tf.size(ids, tf.int64)])
    indices = tf.stack([rows, positions], axis=1)
    product = _sparse_matmul_with_gradient if trains else _sparse_matmul
    return product(indices, weights.values, shape, tf.gather(kernel, ids))[:papers]


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


@keras.saving.register_keras_serializable('arxiv_tagger')
class SparseDense(keras.layers.Layer):
    """A dense layer whose input is sparse, and whose kernel gets a sparse gradient.

    Input: float32 SparseTensor [papers, ngrams]. Output: float32 [papers, units], activation(input @ kernel + bias).

    Args:
        units: width of the output.
        activation: as in `keras.layers.Dense`.
        dropout: share of a paper's n-grams that are left out in training, the others scaled up to make up for it.
        seed: of the dropout.
    """

    def __init__(
        self, units: int, activation: Any = None, dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.seed = seed
        self._dropout_seed = keras.random.SeedGenerator(seed)
        self.supports_jit = False

    def build(self, input_shape: tuple[int | None, int]) -> None:
        # Autocasting would copy the whole kernel in each step; what is gathered from it is cast instead.
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), initializer='glorot_uniform', name='kernel', autocast=False
        )
        self.bias = self.add_weight(shape=(self.units,), initializer='zeros', name='bias')

    def call(self, inputs: tf.SparseTensor, training: bool = False) -> tf.Tensor:
        if training and self.dropout:
            kept = keras.random.dropout(inputs.values, self.dropout, seed=self._dropout_seed)
            inputs = inputs.with_values(kept)
        sums = embedding_bags(self.kernel.value, inputs, trains=training)
        return self.activation(keras.ops.cast(sums, self.compute_dtype) + self.bias)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.units), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            'units': self.units,
            'activation': keras.activations.serialize(self.activation),
            'dropout': self.dropout,
            'seed': self.seed,
        }


def prior_log_odds(labels: int) -> float:
    """Where the bias of each label starts: the log odds of 1 / `labels`, as if a paper had one label, at random.

    From a bias of 0 the first epoch goes into learning that most labels do not apply (Lin et al., 2017, section 3.3).

    >>> prior_log_odds(11)  # log(0.1 / 1)
    -2.302585092994046
    """
    return -math.log(max(labels - 1, 1))


def build_tagger(
    *, ngrams: int, labels: int, hidden_units: tuple[int, ...], dropout: float = 0.0, ngram_dropout: float = 0.0
) -> keras.Model:
    """Makes the multi-layer perceptron of the recipe, its first layer sparse.

    Args:
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.
        hidden_units: width of each hidden layer, all with ReLU.
        dropout: share of the hidden units that are left out in training.
        ngram_dropout: share of the n-grams that are left out in training.

    Returns:
        A model that is not compiled: float32 SparseTensor [papers, ngrams] to float32 [papers, labels], between 0
        and 1. Its random initial values follow `keras.utils.set_random_seed`; the last bias is `prior_log_odds`.
    """
    inputs = keras.Input((ngrams,), sparse=True, name='ngrams')
    hidden = SparseDense(hidden_units[0], 'relu', dropout=ngram_dropout, name='embedding')(inputs)
    hidden = keras.layers.Dropout(dropout, name='embedding_dropout')(hidden)
    for layer, units in enumerate(hidden_units[1:], start=1):
        hidden = keras.layers.Dense(units, 'relu', name=f'hidden_{layer}')(hidden)
        hidden = keras.layers.Dropout(dropout, name=f'hidden_{layer}_dropout')(hidden)
    outputs = keras.layers.Dense(
        labels,
        'sigmoid',
        bias_initializer=keras.initializers.Constant(prior_log_odds(labels)),
        # Whatever the precision of the rest: probabilities near 0 and 1 decide the ranking.
        dtype='float32',
        name='probabilities',
    )(hidden)
    return keras.Model(inputs, outputs, name='tagger')
