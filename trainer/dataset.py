"""The papers that `prepare` wrote, as batches for Keras: sparse from the file to the model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from schemas import features, outputs
from schemas.errors import JobError

# (weights of the n-grams, labels): SparseTensor [papers, n-grams], float32 [papers, labels].
Batch = tuple[tf.SparseTensor, tf.Tensor]

# Serialized papers are a few kilobytes: the buffer stays below about 50 MB.
_SHUFFLE_BUFFER = 16_384
_SHARDS_AT_ONCE = 4


class Vocabularies(NamedTuple):
    """What the numbers in the examples stand for.

    Attributes:
        labels: the labels, in the order of their ids.
        ngrams: how many n-grams have an id.
    """

    labels: list[str]
    ngrams: int


def vocabularies(data_dir: str) -> Vocabularies:
    """Reads the vocabularies of a finished output of `prepare`.

    Raises:
        JobError: if a file is missing or damaged.
    """
    path = outputs.join(data_dir, features.LABELS_FILE)
    try:
        header, *rows = outputs.read_bytes(path).decode().splitlines()
        labels = [label for label, _, _ in (row.split('\t') for row in rows)]
        ids = [int(row.split('\t')[1]) for row in rows]
        if header != features.LABELS_HEADER or not labels or ids != list(range(len(labels))):
            raise ValueError('it is no table of labels')
        path = outputs.join(data_dir, features.STATISTICS_FILE)
        return Vocabularies(labels, int(outputs.read_json(path)['ngrams']['vocabulary']))
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = 'is missing' if isinstance(error, FileNotFoundError) else 'cannot be read or is damaged'
        raise JobError(f'{path} {what}. Run "arxiv-tagger prepare" again, with --overwrite.') from error


def shards(data_dir: str, split: str) -> list[str]:
    """Lists a split's TFRecord files, in the order of their names.

    Args:
        data_dir: output folder of `prepare`.
        split: one of `schemas.features.SPLITS`.
    """
    pattern = outputs.join(data_dir, features.EXAMPLES_DIR, split, 'part-*-of-*.tfrecord.gz')
    return sorted(tf.io.gfile.glob(pattern))


def batches(
    files: list[str], *, ngrams: int, labels: int, batch_size: int, shuffle_seed: int | None = None
) -> tf.data.Dataset:
    """Reads papers in batches.

    Args:
        files: gzipped TFRecord files; any of them can be empty.
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.
        batch_size: papers a batch; the last one can be smaller.
        shuffle_seed: shuffles, in another order each time that the dataset is read; None keeps the order of the files.

    Returns:
        A dataset of `Batch`es that knows how many they are. The same files, arguments and seed give the same batches.
    """
    steps = -(-count_papers(files) // batch_size)
    # A batch is parsed at once: paper by paper would cost ten times as much.
    return (
        _records(files, shuffle_seed)
        .batch(batch_size)
        .map(lambda serialized: parse(serialized, ngrams, labels)[1:], num_parallel_calls=tf.data.AUTOTUNE)
        .apply(tf.data.experimental.assert_cardinality(steps))
        .prefetch(tf.data.AUTOTUNE)
    )


def count_papers(files: list[str]) -> int:
    """Counts the records of gzipped TFRecord files, by reading them (about 100,000 papers a second)."""
    batches_of_records = _records(files, shuffle_seed=None).batch(1024)
    return int(batches_of_records.reduce(np.int64(0), lambda total, batch: total + tf.size(batch, tf.int64)))


def parse(serialized: tf.Tensor, ngrams: int, labels: int) -> tuple[tf.Tensor, tf.SparseTensor, tf.Tensor]:
    """Parses a batch of serialized papers.

    Args:
        serialized: string [papers], tf.Examples as `prepare` writes them.
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.

    Returns:
        The ids of the papers (string [papers]), the weights of their n-grams (float32 SparseTensor [papers, ngrams])
        and 1 where a label applies, 0 elsewhere (float32 [papers, labels]).
    """
    parsed = tf.io.parse_example(
        serialized,
        {
            features.PAPER_ID: tf.io.FixedLenFeature([], tf.string),
            features.NGRAM_IDS: tf.io.VarLenFeature(tf.int64),
            features.NGRAM_WEIGHTS: tf.io.VarLenFeature(tf.float32),
            features.LABEL_IDS: tf.io.VarLenFeature(tf.int64),
        },
    )
    weights = ngram_matrix(parsed[features.NGRAM_IDS], parsed[features.NGRAM_WEIGHTS], ngrams)
    applies = tf.sparse.to_indicator(parsed[features.LABEL_IDS], labels)
    return parsed[features.PAPER_ID], weights, tf.cast(applies, tf.float32)


def ngram_matrix(ids: tf.SparseTensor, weights: tf.SparseTensor, ngrams: int) -> tf.SparseTensor:
    """Turns lists of n-grams into the sparse matrix of their weights.

    Args:
        ids: int64 SparseTensor [papers, n], ascending within a paper, each once.
        weights: float32 SparseTensor [papers, n], in the same places.
        ngrams: size of the n-gram vocabulary.

    Returns:
        float32 SparseTensor [papers, ngrams], its entries ordered by paper and then by n-gram.
    """
    indices = tf.stack([ids.indices[:, 0], ids.values], axis=1)
    return tf.SparseTensor(indices, weights.values, [ids.dense_shape[0], ngrams])


def _records(files: list[str], shuffle_seed: int | None) -> tf.data.Dataset:
    names = tf.data.Dataset.from_tensor_slices(tf.constant(files, tf.string, [len(files)]))
    if shuffle_seed is None:
        return tf.data.TFRecordDataset(names, 'GZIP')
    records = names.shuffle(max(len(files), 1), seed=shuffle_seed).interleave(
        lambda name: tf.data.TFRecordDataset(name, 'GZIP'),
        cycle_length=_SHARDS_AT_ONCE,
        block_length=16,
        num_parallel_calls=_SHARDS_AT_ONCE,
        deterministic=True,
    )
    return records.shuffle(_SHUFFLE_BUFFER, seed=shuffle_seed)
