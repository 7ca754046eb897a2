"""Which n-grams weigh most for a label: gradient x input, computed in the graph.

The contribution of n-gram i to label l is weight_i * d logit_l / d weight_i, at the paper's own weights (Baehrens et
al., 2010, "How to explain individual classification decisions"; Shrikumar et al., 2016, "Not just a black box"). Logits
are those before calibration. A network of ReLUs is linear around a paper, so contributions are exact there: together
with the bias of that linear piece they add up to the logit. What happens where a unit changes sides is not in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from trainer.sparse_dense import SparseDense

# Rows of the kernel are gathered by so many numbers at a time (8 MB), whatever the length of a paper.
_GATHERED_NUMBERS = 1 << 21


class Weightiest(NamedTuple):
    """The n-grams that weigh most for each of some labels.

    Attributes:
        ids: int64 [papers, k, n]; -1 where a paper has fewer n-grams.
        contributions: float32 [papers, k, n]; 0 there.
    """

    ids: tf.Tensor
    contributions: tf.Tensor


def explainer(model: keras.Model) -> Callable[[tf.SparseTensor, tf.Tensor, tf.Tensor], Weightiest]:
    """Makes the function that explains a tagger of one member.

    Args:
        model: as `model.build_tagger` makes it; an ensemble has to be merged.

    Returns:
        A function of the n-grams' weights (float32 SparseTensor [papers, ngrams], its entries ordered), of the labels
        to explain (int32 [papers, k]) and of n, an int32 scalar that is not negative. It gives the n n-grams of each
        paper that weigh most for each label, by the absolute value of their contributions; of equal ones those with
        smaller ids come first.
    """
    [first] = [layer for layer in model.layers if isinstance(layer, SparseDense)]
    logits = model.get_layer('probabilities').input
    rest = keras.Model(keras.tree.flatten(first.output), logits, name='rest')

    def logits_of(sums: tf.Tensor) -> tf.Tensor:
        return rest(keras.tree.flatten(first.activate(sums)), training=False)

    def explain(weights: tf.SparseTensor, labels: tf.Tensor, n: tf.Tensor) -> Weightiest:
        papers, k = weights.dense_shape[0], tf.shape(labels, tf.int64)[1]
        # One empty paper and one label more: a loop that never runs would not know the shape of what it gives.
        more = tf.SparseTensor(weights.indices, weights.values, [papers + 1, weights.dense_shape[1]])
        some = tf.pad(labels, [[0, 1], [0, tf.cast(tf.equal(k, 0), tf.int32)]])
        found = weightiest(first.rows, more, gradients(logits_of, first.sums(more), some), n)
        return Weightiest(*(values[:papers, :k] for values in found))

    return explain


def gradients(logits_of: Callable[[tf.Tensor], tf.Tensor], sums: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Differentiates the logits of some labels with regard to what the first layer adds up.

    Args:
        logits_of: float32 [papers, units] to float32 [papers, all labels], each paper for itself.
        sums: float32 [papers, units].
        labels: int32 [papers, k]; k is at least 1.

    Returns:
        float32 [k, papers, units].
    """
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(sums)
        logits = logits_of(sums)

    def of_one_a_paper(label: tf.Tensor) -> tf.Tensor:
        return tape.gradient(logits, sums, tf.one_hot(label, tf.shape(logits)[1]))

    shape = tf.TensorSpec([None, sums.shape[1]], tf.float32)
    return tf.map_fn(of_one_a_paper, tf.transpose(labels), fn_output_signature=shape)


def weightiest(
    kernel: tf.Variable | tf.Tensor, weights: tf.SparseTensor, slopes: tf.Tensor, n: tf.Tensor
) -> Weightiest:
    """Finds the n-grams with the largest weight * (row of the kernel @ slope), paper by paper.

    Args:
        kernel: float32 [ngrams, units].
        weights: float32 SparseTensor [papers, ngrams], ordered; of at least one paper.
        slopes: float32 [k, papers, units].
        n: int32 scalar.
    """
    starts = tf.searchsorted(weights.indices[:, 0], tf.range(weights.dense_shape[0] + 1))

    def of_paper(span: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> Weightiest:
        paper, start, end = span
        ids = weights.indices[start:end, 1]
        all_of_it = weights.values[start:end] * _products(kernel, ids, slopes[:, paper])
        number = tf.minimum(n, end - start)
        # Of equal values top_k takes the earlier ones, and ids ascend.
        _, places = tf.math.top_k(tf.abs(all_of_it), number)
        fill = [[0, 0], [0, n - number]]
        return Weightiest(
            tf.pad(tf.gather(ids, places), fill, constant_values=-1),
            tf.pad(tf.gather(all_of_it, places, batch_dims=1), fill),
        )

    shapes = Weightiest(tf.TensorSpec([None, None], tf.int64), tf.TensorSpec([None, None], tf.float32))
    spans = (tf.range(tf.size(starts) - 1), starts[:-1], starts[1:])
    return Weightiest(*tf.map_fn(of_paper, spans, fn_output_signature=shapes))


def _products(kernel: tf.Variable | tf.Tensor, ids: tf.Tensor, slopes: tf.Tensor) -> tf.Tensor:
    """[k, units] times the rows of the kernel that `ids` (int64 [m]) names: float32 [k, m]."""
    number = tf.size(ids)
    rows = tf.clip_by_value(number, 1, max(1, _GATHERED_NUMBERS // kernel.shape[1]))
    pieces = -(-number // rows)
    # One piece at least, for the sake of the shape; what fills the last up is cut off again.
    filled = tf.reshape(tf.pad(ids, [[0, tf.maximum(pieces, 1) * rows - number]]), [-1, rows])
    products = tf.map_fn(
        lambda piece: tf.matmul(slopes, tf.gather(kernel, piece), transpose_b=True),
        filled,
        fn_output_signature=tf.TensorSpec([None, None], tf.float32),
    )
    return tf.reshape(tf.transpose(products, [1, 0, 2]), [tf.shape(slopes)[0], -1])[:, :number]
