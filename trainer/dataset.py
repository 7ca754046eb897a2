"""The papers that `prepare` wrote, as batches for Keras: sparse from the file to the model."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from schemas import features, outputs
from schemas.errors import JobError
from trainer.shards import PREPARE_AGAIN, Shard, count_papers, one_line

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


def steps(files: Sequence[Shard], batch_size: int) -> int:
    """How many batches the papers of some shards make; the last one can be smaller."""
    return -(-count_papers(files) // batch_size)


def batches(files: Sequence[Shard], *, ngrams: int, labels: int, batch_size: int) -> tf.data.Dataset:
    """Reads papers in batches, in the order of the shards.

    Args:
        files: shards; any of them can be empty.
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.
        batch_size: papers a batch; the last one can be smaller.

    Returns:
        A dataset of `Batch`es that knows how many they are. Reading it raises tf.errors.OpError at a damaged shard,
        one that holds another number of papers than the manifest says, or papers that `parse` refuses.
    """
    records = _shards_as_dataset(files).flat_map(_read_shard).batch(batch_size)
    return _parsed(records, ngrams, labels, steps(files, batch_size))


def shuffled_batches(
    files: Sequence[Shard], *, ngrams: int, labels: int, batch_size: int, seed: int, epochs: range
) -> tf.data.Dataset:
    """Reads papers in batches, several times, each time in another order.

    The order of an epoch depends on the seed and the number of the epoch alone, so that training that goes on after
    some epoch reads what it would have read without the break. The next epoch's first papers are read while the last
    ones of an epoch are worked on.

    Args:
        files: as in `batches`.
        ngrams: as in `batches`.
        labels: as in `batches`.
        batch_size: as in `batches`; no batch holds papers of two epochs.
        seed: decides the orders.
        epochs: the numbers of the epochs to read.

    Returns:
        As `batches`, `steps` batches an epoch.
    """

    def epoch(shuffle_seed: tf.Tensor) -> tf.data.Dataset:
        # Of this function's graph: the order must not depend on `tf.random.set_seed`, which also fails here if it is 0.
        tf.compat.v1.set_random_seed(1)
        order = {'seed': shuffle_seed, 'reshuffle_each_iteration': False}
        return (
            _shards_as_dataset(files)
            .shuffle(max(len(files), 1), **order)
            .interleave(
                _read_shard,
                cycle_length=_SHARDS_AT_ONCE,
                block_length=16,
                num_parallel_calls=_SHARDS_AT_ONCE,
                deterministic=True,
            )
            .shuffle(_SHUFFLE_BUFFER, **order)
            .batch(batch_size)
        )

    seeds = [_shuffle_seed(seed, number) for number in epochs]
    records = tf.data.Dataset.from_tensor_slices(tf.constant(seeds, tf.int64, [len(seeds)])).flat_map(epoch)
    return _parsed(records, ngrams, labels, len(epochs) * steps(files, batch_size))


def chosen(
    files: Sequence[Shard], ids: Collection[str], *, ngrams: int, labels: int, batch_size: int
) -> Iterator[tuple[list[str], tf.SparseTensor, tf.Tensor]]:
    """Reads some papers in batches, in the order of the shards.

    Args:
        files: as in `batches`.
        ids: of the papers to read; those that are not there are passed over.
        ngrams: as in `batches`.
        labels: as in `batches`.
        batch_size: papers that are looked at at a time; a batch holds those of them that were chosen.

    Yields:
        The ids of at least one paper, and what makes a `Batch` of them.

    Raises:
        tf.errors.OpError: as `batches`.
    """
    for records in _shards_as_dataset(files).flat_map(_read_shard).batch(batch_size):
        # Only ids are parsed of papers that are not wanted.
        parsed = tf.io.parse_example(records, {features.PAPER_ID: tf.io.FixedLenFeature([], tf.string)})
        found = [id_.decode() for id_ in parsed[features.PAPER_ID].numpy()]
        rows = [row for row, id_ in enumerate(found) if id_ in ids]
        if rows:
            yield [found[row] for row in rows], *parse(tf.gather(records, rows), ngrams, labels)[1:]


def parse(serialized: tf.Tensor, ngrams: int, labels: int) -> tuple[tf.Tensor, tf.SparseTensor, tf.Tensor]:
    """Parses a batch of serialized papers.

    Args:
        serialized: string [papers], tf.Examples as `prepare` writes them.
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.

    Returns:
        The ids of the papers (string [papers]), the weights of their n-grams (float32 SparseTensor [papers, ngrams])
        and 1 where a label applies, 0 elsewhere (float32 [papers, labels]).

    Raises:
        tf.errors.InvalidArgumentError: where a feature is of another type, an id is not in the vocabulary, or a paper
            has other numbers of n-grams and weights.
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
    ngram_ids, ngram_weights = parsed[features.NGRAM_IDS], parsed[features.NGRAM_WEIGHTS]
    # A GPU would read zeros where an id is out of range, and say nothing.
    checks = [
        *_within(ngram_ids.values, ngrams, features.NGRAM_IDS),
        *_within(parsed[features.LABEL_IDS].values, labels, features.LABEL_IDS),
        tf.debugging.assert_equal(
            _papers_of(ngram_ids),
            _papers_of(ngram_weights),
            f'{features.NGRAM_IDS} and {features.NGRAM_WEIGHTS} differ in number',
        ),
    ]
    with tf.control_dependencies(checks if not tf.executing_eagerly() else []):
        weights = ngram_matrix(ngram_ids, ngram_weights, ngrams)
        applies = tf.sparse.to_indicator(parsed[features.LABEL_IDS], labels)
        return parsed[features.PAPER_ID], weights, tf.cast(applies, tf.float32)


def _within(ids: tf.Tensor, limit: int, name: str) -> list[tf.Operation | None]:
    message = f'{name} are not all from 0 to {limit - 1}'
    return [
        tf.debugging.assert_non_negative(ids, message),
        tf.debugging.assert_less(ids, tf.constant(limit, tf.int64), message),
    ]


def _papers_of(values: tf.SparseTensor) -> tf.Tensor:
    """int64 [papers], how many values each paper has."""
    return tf.math.bincount(tf.cast(values.indices[:, 0], tf.int32), minlength=tf.cast(values.dense_shape[0], tf.int32))


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


def require_features(files: Sequence[Shard]) -> None:
    """Checks that the first paper of the shards has the features that training needs, each of its type.

    Raises:
        JobError: names the feature.
    """
    kinds = {
        features.PAPER_ID: 'bytes_list',
        features.NGRAM_IDS: 'int64_list',
        features.NGRAM_WEIGHTS: 'float_list',
        features.LABEL_IDS: 'int64_list',
    }
    for shard in [shard for shard in files if shard.papers][:1]:
        [record] = tf.data.TFRecordDataset(shard.readable, 'GZIP').take(1)
        found = tf.train.Example.FromString(record.numpy()).features.feature
        for name, kind in kinds.items():
            if name not in found:
                raise JobError(f'{shard.path}: its papers have no feature {name}. {PREPARE_AGAIN}')
            if found[name].WhichOneof('kind') != kind:
                raise JobError(
                    f'{shard.path}: the feature {name} is a {found[name].WhichOneof("kind")}, not the {kind} that '
                    f'training needs. {PREPARE_AGAIN}'
                )


def complaint(files: Sequence[Shard], *, ngrams: int, labels: int) -> str:
    """Finds the shard that `batches` and `shuffled_batches` cannot read, after they failed.

    Args:
        files: as in `batches`.
        ngrams: as in `batches`.
        labels: as in `batches`.

    Returns:
        One line that names the first such shard and says what is wrong with it; empty if there is none.
    """
    for shard in files:
        try:
            for records in _read_shard(shard.readable, shard.papers).batch(1024):
                parse(records, ngrams, labels)
        except tf.errors.OpError as error:
            return f'{shard.path} cannot be used: {one_line(error)}. {PREPARE_AGAIN}'
    return ''


def _shuffle_seed(seed: int, epoch: int) -> int:
    # Seeds that are near each other may not give similar orders.
    return int.from_bytes(hashlib.sha256(f'{seed} {epoch}'.encode()).digest()[:7], 'little')


def _shards_as_dataset(files: Sequence[Shard]) -> tf.data.Dataset:
    paths = tf.constant([shard.readable for shard in files], tf.string, [len(files)])
    papers = tf.constant([shard.papers for shard in files], tf.int64, [len(files)])
    return tf.data.Dataset.from_tensor_slices((paths, papers))


def _read_shard(path: tf.Tensor, papers: tf.Tensor) -> tf.data.Dataset:
    # A gzip file that was cut off can look like one that ends there.
    return tf.data.TFRecordDataset(path, 'GZIP').apply(tf.data.experimental.assert_cardinality(papers))


def _parsed(records: tf.data.Dataset, ngrams: int, labels: int, number: int) -> tf.data.Dataset:
    # A batch is parsed at once: paper by paper would cost ten times as much.
    return (
        records.map(lambda serialized: parse(serialized, ngrams, labels)[1:], num_parallel_calls=tf.data.AUTOTUNE)
        .apply(tf.data.experimental.assert_cardinality(number))
        .prefetch(tf.data.AUTOTUNE)
    )
