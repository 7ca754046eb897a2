"""The transform graph: raw title and abstract in, weighted n-gram ids out. Pure TensorFlow, no Beam.

`prepare` runs the beginning of it (`split_words`, `hash_words`) once on every paper, and its end (`weigh`) on what
NumPy has counted and looked up in between (`ngrams.py`); the exported model runs the whole. Integers are exact and the
functions at both ends are the same, so the two agree to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.config import NgramConfig
from pipeline.ngrams import extend_fingerprint
from schemas import features

# What keras.layers.TextVectorization strips by default.
_PUNCTUATION = r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']'
_WORD_HASHES = 2**63 - 1

Tensors = dict[str, tf.Tensor | tf.SparseTensor]


class LookupTable(NamedTuple):
    """A vocabulary as the graph holds it. Fingerprints with the same first bits are a bucket; most have none or one.

    Attributes:
        fingerprints: int64 [n], ascending.
        ids: int64 [n], in the order of `fingerprints`.
        starts: int32 [2**bits], where each bucket begins.
        steps: binary digits of the size of the largest bucket.
    """

    fingerprints: tf.Tensor
    ids: tf.Tensor
    starts: tf.Tensor
    steps: int


def lookup_table(fingerprints: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]) -> LookupTable:
    """Makes the constants of which the graph that is traced has a vocabulary.

    Args:
        fingerprints: [n], ascending; any n but 0.
        ids: [n], in the order of `fingerprints`.
    """
    bits = max(1, (len(fingerprints) - 1).bit_length())
    # From 0 on; the first ones begin with a bit that makes a number negative.
    buckets = (fingerprints >> 64 - bits) + 2 ** (bits - 1)
    sizes = np.bincount(buckets, minlength=2**bits)
    starts = tf.constant(np.cumsum(sizes) - sizes, tf.int32)
    return LookupTable(tf.constant(fingerprints), tf.constant(ids), starts, int(sizes.max()).bit_length())


class Vocabularies(NamedTuple):
    """What the graph knows of the training papers.

    Attributes:
        ngrams: the n-grams that are kept.
        idf: float32 [n-grams], by id, the inverse document frequencies.
        labels: the labels.
    """

    ngrams: LookupTable
    idf: tf.Tensor
    labels: LookupTable


def preprocessing_fn(
    config: NgramConfig, vocabularies: Callable[[Tensors], Vocabularies]
) -> Callable[[Tensors], Tensors]:
    """Makes the function that tf.Transform traces.

    Args:
        config: the text, the n-grams and the weighting.
        vocabularies: given the inputs, returns the vocabularies as tensors.

    Returns:
        A function of `title`, `abstract`, `paper_id` (string, [batch]) and `labels` (string SparseTensor,
        [batch, n]). It gives SparseTensors [batch, n] of `ngram_ids` (int64, ascending within a paper, each once),
        `ngram_weights` (float32, in the same order) and `label_ids` (int64, ascending), and `paper_id` unchanged.
        What is in no vocabulary is left out: a row can be empty. How much that is say `words` (of the text), `ngrams`
        (occurrences of n-grams of 1 to `ngram_max` words in it) and `known_ngrams` (of those in the vocabulary): int64
        [batch] each.
    """

    def preprocess(inputs: Tensors) -> Tensors:
        known = vocabularies(inputs)
        text = text_of(inputs[features.TITLE], inputs[features.ABSTRACT], config.text)
        split = split_words(text)
        rows, ids, counts = count_known(*fingerprint_ngrams(split, config.ngram_max), known.ngrams)
        weights = weigh(rows, ids, counts, known.idf, config)
        labels = inputs[features.LABELS]
        label_rows, label_ids, _ = count_known(labels.indices[:, 0], hash_words(labels.values), known.labels)
        batch = tf.size(text, tf.int64)
        words = split.row_lengths()
        return {
            features.NGRAM_IDS: _sparse_rows(rows, ids, batch),
            features.NGRAM_WEIGHTS: _sparse_rows(rows, weights, batch),
            features.LABEL_IDS: _sparse_rows(label_rows, label_ids, batch),
            features.PAPER_ID: inputs[features.PAPER_ID],
            features.WORDS: words,
            features.NGRAMS: number_of_ngrams(words, config.ngram_max),
            features.KNOWN_NGRAMS: tf.math.unsorted_segment_sum(counts, rows, batch),
        }

    return preprocess


def text_of(title: tf.Tensor, abstract: tf.Tensor, text: str) -> tf.Tensor:
    """Returns what is read of papers: string [batch]."""
    if text == 'title_and_abstract':
        return tf.strings.join([title, abstract], separator=' ')
    return {'title': title, 'abstract': abstract}[text]


def standardize(text: tf.Tensor) -> tf.Tensor:
    """Lower-cases ASCII letters and strips ASCII punctuation, as keras.layers.TextVectorization does by default."""
    return tf.strings.regex_replace(tf.strings.lower(text), _PUNCTUATION, '')


def split_words(text: tf.Tensor) -> tf.RaggedTensor:
    """Splits texts at white space: string [batch] in, string RaggedTensor [batch, words] out."""
    return tf.strings.split(standardize(text))


def hash_words(words: tf.Tensor) -> tf.Tensor:
    """Returns 63-bit hashes of words (FarmHash64): string [n] in, int64 [n] out."""
    return tf.strings.to_hash_bucket_fast(words, _WORD_HASHES)


def fingerprint_ngrams(words: tf.RaggedTensor, ngram_max: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the fingerprints of each text's n-grams of 1 to `ngram_max` words.

    Args:
        words: string RaggedTensor [batch, words].
        ngram_max: longest n-gram, in words.

    Returns:
        int64 [n] each, with repetitions, in no order: the text's row, and the n-gram's fingerprint.
    """
    rows, hashes = words.value_rowids(), hash_words(words.values)
    longer = extend_fingerprint(tf.constant(0, tf.int64), hashes)
    all_rows, fingerprints = [rows], [longer]
    for length in range(2, ngram_max + 1):
        # At each token begins an n-gram; it is one if it ends in the same text.
        begins = rows[: 1 - length]
        longer = extend_fingerprint(longer[: tf.size(begins)], hashes[length - 1 :])
        whole = tf.equal(begins, rows[length - 1 :])
        all_rows.append(tf.boolean_mask(begins, whole))
        fingerprints.append(tf.boolean_mask(longer, whole))
    return tf.concat(all_rows, 0), tf.concat(fingerprints, 0)


def number_of_ngrams(words: tf.Tensor, ngram_max: int) -> tf.Tensor:
    """Returns how many n-grams of 1 to `ngram_max` words texts of that many words have: int64 [batch] in and out."""
    # An n-gram begins at each word but the last n - 1.
    return tf.add_n([tf.maximum(words - shorter, 0) for shorter in range(ngram_max)])


def count_known(rows: tf.Tensor, fingerprints: tf.Tensor, table: LookupTable) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Looks fingerprints up, and counts how often each id occurs in each row.

    Args:
        rows: int64 [n].
        fingerprints: int64 [n].
        table: what is in it is counted; the rest is left out. Not empty.

    Returns:
        int64 vectors of equal length, sorted by row and then by id: row, id, and count.
    """
    size = tf.size(table.fingerprints, tf.int64)
    position = _find(table, fingerprints)
    known = tf.equal(tf.gather(table.fingerprints, position), fingerprints)
    ids = tf.gather(table.ids, tf.boolean_mask(position, known))
    keys, _, counts = tf.unique_with_counts(tf.sort(tf.boolean_mask(rows, known) * size + ids), out_idx=tf.int64)
    return keys // size, keys % size, counts


def _find(table: LookupTable, fingerprints: tf.Tensor) -> tf.Tensor:
    """Returns where fingerprints are in a table, if they are: int64 [n] in, int32 [n] out.

    A binary search in each one's bucket. `tf.searchsorted` searches the whole table, where each of its steps waits for
    memory.
    """
    last = tf.size(table.fingerprints) - 1
    bits = table.starts.shape[0].bit_length() - 1
    position = tf.gather(table.starts, tf.bitwise.right_shift(fingerprints, 64 - bits) + 2 ** (bits - 1))
    for step in reversed(range(table.steps)):
        # What is behind the bucket is greater than what is looked for.
        ahead = position + (2**step - 1)
        smaller = tf.gather(table.fingerprints, tf.minimum(ahead, last)) < fingerprints
        position = tf.where(smaller, ahead + 1, position)
    return tf.minimum(position, last)


def weigh(rows: tf.Tensor, ids: tf.Tensor, counts: tf.Tensor, idf: tf.Tensor, config: NgramConfig) -> tf.Tensor:
    """Weighs the n-grams of papers.

    tf_idf: count * idf; with `sublinear_tf` (1 + log(count)) * idf, as scikit-learn's TfidfVectorizer computes it;
    tf_idf_l2: the same, each paper's weights scaled to a Euclidean norm of 1.

    Args:
        rows: int64 [n], ascending.
        ids: int64 [n].
        counts: int64 [n], occurrences in the paper.
        idf: float32 [n-grams], by id.
        config: which weighting.

    Returns:
        float32 [n].
    """
    if config.weighting == 'count':
        return tf.cast(counts, tf.float32)
    if config.sublinear_tf:
        # In double precision, so that vectorised and scalar code round to the same single.
        frequencies = tf.cast(1 + tf.math.log(tf.cast(counts, tf.float64)), tf.float32)
    else:
        frequencies = tf.cast(counts, tf.float32)
    weights = frequencies * tf.gather(idf, ids)
    if config.weighting == 'tf_idf_l2':
        norms = tf.math.sqrt(tf.math.segment_sum(tf.square(weights), rows))
        weights = tf.math.divide_no_nan(weights, tf.gather(norms, rows))
    return weights


def inverse_document_frequencies(papers: tf.Tensor, documents: tf.Tensor) -> tf.Tensor:
    """Weighs n-grams by how few papers contain them.

    idf = log(1 + N / (1 + df)), as keras.layers.TextVectorization(output_mode='tf_idf') computes it.

    Args:
        papers: int64 [n], training papers that contain the n-gram.
        documents: int64 scalar N, training papers.

    Returns:
        float32 [n].
    """
    df = tf.cast(papers, tf.float32)
    return tf.math.log(1.0 + tf.cast(documents, tf.float32) / (1.0 + df))


def _sparse_rows(rows: tf.Tensor, values: tf.Tensor, batch: tf.Tensor) -> tf.SparseTensor:
    """Packs values and their ascending row numbers into a SparseTensor [batch, n], its rows filled from the left."""
    # A few operations of ours: a RaggedTensor's to_sparse makes a hundred, which took a second to trace.
    starts = tf.searchsorted(rows, tf.range(batch), out_type=tf.int64)
    columns = tf.range(tf.size(rows, tf.int64)) - tf.gather(starts, rows)
    width = tf.reduce_max(tf.concat([[-1], columns], 0)) + 1
    return tf.SparseTensor(tf.stack([rows, columns], 1), values, tf.stack([batch, width]))
