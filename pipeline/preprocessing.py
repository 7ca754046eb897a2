"""The transform graph: raw title and abstract in, weighted n-gram ids out.

Pure TensorFlow and tf.Transform, no Beam. The same graph runs in `prepare`, where tf.Transform fills in the
vocabulary and the document frequencies, and inside the exported model, so training and serving cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_transform as tft

from pipeline.config import NgramConfig
from schemas import features

# What keras.layers.TextVectorization strips by default.
_PUNCTUATION = r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']'

Tensors = dict[str, tf.Tensor | tf.SparseTensor]


def preprocessing_fn(config: NgramConfig) -> Callable[[Tensors], Tensors]:
    """Makes the function that tf.Transform traces.

    Args:
        config: the text, the vocabulary and the weighting.

    Returns:
        A function of `title`, `abstract`, `paper_id` (string, [batch]) and `labels` (string SparseTensor,
        [batch, n]). It gives SparseTensors [batch, n] of `ngram_ids` (int64, ascending within a paper, each once),
        `ngram_counts` (int64) and `ngram_weights` (float32, both in the same order) and `label_ids` (int64,
        ascending), and `paper_id` unchanged. What is in no vocabulary is left out: a row can be empty.
    """

    def preprocess(inputs: Tensors) -> Tensors:
        ngrams = split_ngrams(_text(inputs, config.text), config.ngram_max)
        ids, counts, weights = weigh_ngrams(ngrams, config)
        labels = inputs[features.LABELS]
        label_ids = tft.compute_and_apply_vocabulary(labels, vocab_filename=features.LABEL_VOCABULARY)
        return {
            features.NGRAM_IDS: ids,
            features.NGRAM_COUNTS: counts,
            features.NGRAM_WEIGHTS: weights,
            features.LABEL_IDS: _known_ascending(label_ids),
            features.PAPER_ID: inputs[features.PAPER_ID],
        }

    return preprocess


def standardize(text: tf.Tensor) -> tf.Tensor:
    """Lower-cases ASCII letters and strips ASCII punctuation, as keras.layers.TextVectorization does by default."""
    return tf.strings.regex_replace(tf.strings.lower(text), _PUNCTUATION, '')


def split_ngrams(text: tf.Tensor, ngram_max: int) -> tf.RaggedTensor:
    """Splits texts at white space into n-grams of 1 to `ngram_max` words, joined by a blank.

    Args:
        text: string [batch].
        ngram_max: longest n-gram, in words.

    Returns:
        string RaggedTensor [batch, n], with repetitions.
    """
    words = tf.strings.split(standardize(text))
    return tf.strings.ngrams(words, ngram_width=tuple(range(1, ngram_max + 1)), separator=' ')


def weigh_ngrams(
    ngrams: tf.RaggedTensor, config: NgramConfig
) -> tuple[tf.SparseTensor, tf.SparseTensor, tf.SparseTensor]:
    """Looks n-grams up in the vocabulary of the training papers and weighs them.

    The stock analyzers of tf.Transform: a vocabulary of the most frequent n-grams by occurrences (of equally frequent
    ones the later string stays, as in Keras) and a dense vector of document frequencies.

    Args:
        ngrams: string RaggedTensor [batch, n].
        config: the vocabulary's size and the weighting.

    Returns:
        SparseTensors [batch, n]: ids (int64, ascending, each once), counts (int64) and weights (float32).
    """
    ids = tft.compute_and_apply_vocabulary(
        ngrams.to_sparse(),
        top_k=config.vocabulary_size,
        vocab_filename=features.NGRAM_VOCABULARY,
    )
    rows, ids, counts = count_ids(ids, config.vocabulary_size)
    weights = tf.cast(counts, tf.float32)
    if config.weighting != 'count':
        seen = tf.math.bincount(
            tf.cast(ids, tf.int32),
            minlength=config.vocabulary_size,
            maxlength=config.vocabulary_size,
            dtype=tf.int64,
        )
        document_frequencies = tft.sum(seen[tf.newaxis, :], reduce_instance_dims=False, name='document_frequencies')
        documents = tft.sum(tf.cast(ngrams.nrows(), tf.int64)[tf.newaxis], name='documents')
        # While it still analyzes, tf.Transform runs this graph with scalars where the analyzers' results will stand.
        document_frequencies = tf.broadcast_to(document_frequencies, [config.vocabulary_size])
        documents = tf.reshape(documents, [])
        weights = tf_idf(weights, tf.gather(document_frequencies, ids), documents)
    if config.weighting == 'tf_idf_l2':
        norms = tf.math.sqrt(tf.math.segment_sum(tf.square(weights), rows))
        weights = tf.math.divide_no_nan(weights, tf.gather(norms, rows))
    batch = ngrams.nrows()
    return _sparse_rows(rows, ids, batch), _sparse_rows(rows, counts, batch), _sparse_rows(rows, weights, batch)


def tf_idf(counts: tf.Tensor, document_frequencies: tf.Tensor, documents: tf.Tensor) -> tf.Tensor:
    """Weighs n-gram counts by how few papers contain the n-gram.

    weight = count * log(1 + N / (1 + df)), as keras.layers.TextVectorization(output_mode='tf_idf') computes it.

    Args:
        counts: float32 [n], occurrences in a paper of each of its distinct n-grams.
        document_frequencies: int64 [n], training papers that contain the n-gram, in the same order.
        documents: int64 scalar N, training papers.

    Returns:
        float32 [n].
    """
    df = tf.cast(document_frequencies, tf.float32)
    return counts * tf.math.log(1.0 + tf.cast(documents, tf.float32) / (1.0 + df))


def count_ids(ids: tf.SparseTensor, vocabulary_size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Counts how often each id occurs in each row.

    Args:
        ids: int64 SparseTensor [batch, n]; -1 stands for what is not in the vocabulary and is left out.
        vocabulary_size: above every id.

    Returns:
        int64 vectors of equal length, sorted by row and then by id: row, id, and count.
    """
    known = ids.values >= 0
    rows = tf.boolean_mask(ids.indices[:, 0], known)
    keys, _, counts = tf.unique_with_counts(
        tf.sort(rows * vocabulary_size + tf.boolean_mask(ids.values, known)), out_idx=tf.int64
    )
    return keys // vocabulary_size, keys % vocabulary_size, counts


def _text(inputs: Tensors, text: str) -> tf.Tensor:
    if text == 'title_and_abstract':
        return tf.strings.join([inputs[features.TITLE], inputs[features.ABSTRACT]], separator=' ')
    return inputs[text]


def _known_ascending(ids: tf.SparseTensor) -> tf.SparseTensor:
    rows, ids_, _ = count_ids(ids, 1 << 31)
    return _sparse_rows(rows, ids_, ids.dense_shape[0])


def _sparse_rows(rows: tf.Tensor, values: tf.Tensor, batch: tf.Tensor) -> tf.SparseTensor:
    """Packs a value and its row number into a SparseTensor [batch, n] whose rows are filled from the left."""
    return tf.RaggedTensor.from_value_rowids(values, rows, nrows=batch).to_sparse()
