"""Training data out of paper blocks: each paper's n-gram ids, sorted into shards, weighed and encoded."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np

from pipeline.config import NgramConfig
from pipeline.count_ngrams import Chunk, vocabulary_of
from pipeline.encoding import ExampleColumns, between, encode_examples
from pipeline.index import PLACES, Part, rows_of
from pipeline.ngrams import Vocabulary, positions_of, row_ngrams
from pipeline.packing import pack, unpack
from pipeline.paper_blocks import PaperBlock, block_path
from pipeline.progress import count
from pipeline.shards import Shard, shard_name, shards_needed, write_shard
from pipeline.tfrecords import write_tfrecords
from pipeline.vocabulary import inverse_document_frequencies
from schemas import features
from schemas.features import SPLITS

# An element has some 2 MB at most. Before it is compressed, a pair of a paper and an n-gram takes 5 to 8 bytes of it.
_PIECE_BYTES = 2_000_000
_PIECE_PAPER_BYTES, _PIECE_NGRAM_BYTES, _PIECE_LABEL_BYTES = 28, 8, 4
# Papers whose weights a worker holds at a time.
_SLICE_PAPERS = 4096
# What an encoded paper takes beside its n-grams, and for each of these; and what gzip makes of a byte.
_PAPER_BYTES, _NGRAM_BYTES, _COMPRESSION = 140, 6.5, 0.85


class WriteExamples(beam.PTransform[Any, Any]):
    """Writes the papers of each split as shards of TFRecords: examples/SPLIT/part-SSSSS-of-NNNNN.tfrecord.gz.

    A paper's shard, and its place in it, follow from a hash of its id. Inputs: for each block its PLACES, and the
    number of papers of each split. Output: a `Shard` for each file.

    Args:
        root: the staging folder.
        folder: where the blocks lie.
        config: how n-grams are weighed.
        shards: files a split; None makes them about 32 MB each.
        vocabulary: chunks of the vocabulary.
        documents: the number of training papers.
        labels: one list of the labels, in the order of their ids.
    """

    def __init__(
        self,
        root: str,
        folder: str,
        config: NgramConfig,
        shards: int | None,
        vocabulary: beam.PCollection[Chunk],
        documents: beam.PCollection[int],
        labels: beam.PCollection[list[str]],
    ) -> None:
        super().__init__()
        self._root = root
        self._folder = folder
        self._config = config
        self._shards = shards
        self._vocabulary = vocabulary
        self._documents = documents
        self._labels = labels

    def expand(
        self, inputs: tuple[beam.PCollection[Part], beam.PCollection[dict[str, int]]]
    ) -> beam.PCollection[Shard]:
        """Looks up, groups and writes."""
        places, papers = inputs
        vocabulary, documents = beam.pvalue.AsList(self._vocabulary), beam.pvalue.AsSingleton(self._documents)
        shards = papers | 'ShardsNeeded' >> beam.Map(shards_of, vocabulary, documents, self._shards)
        number = beam.pvalue.AsSingleton(shards)
        pieces = places | 'LookUp' >> beam.FlatMap(
            _pieces, self._folder, vocabulary, beam.pvalue.AsSingleton(self._labels), number
        ).with_output_types(Part)
        every = shards | 'EveryShard' >> beam.FlatMap(_empty_pieces).with_output_types(Part)
        return (
            (pieces, every)
            | 'WithEmptyShards' >> beam.Flatten()
            | 'GroupByShard' >> beam.GroupByKey()
            | 'Write' >> beam.Map(_write, self._root, self._config, vocabulary, documents, number)
        )


def shards_of(
    papers: Mapping[str, int], vocabulary: Sequence[Chunk], documents: int, shards: int | None
) -> dict[str, int]:
    """Returns how many files each split gets: `shards`, or as many as make about 32 MB each."""
    ngrams = vocabulary_of(vocabulary).counts.papers.sum() / documents
    each = (_PAPER_BYTES + _NGRAM_BYTES * ngrams) * _COMPRESSION
    return {split: shards or shards_needed(math.ceil(papers[split] * each)) for split in SPLITS}


class Piece(NamedTuple):
    """Some papers of a shard.

    Attributes:
        order: uint64 [papers, 2], by which the papers of a shard are sorted.
        id_ends: int64 [papers], where the papers' ids end in `ids`.
        ids: uint8 [bytes], the papers' ids, one after the other.
        label_splits: int64 [papers + 1].
        label_ids: int64 [labels], ascending within a paper.
        ngram_splits: int64 [papers + 1].
        ngram_ids: int64 [pairs], ascending within a paper.
        counts: int64 [pairs], occurrences in the paper.
    """

    order: np.ndarray
    id_ends: np.ndarray
    ids: np.ndarray
    label_splits: np.ndarray
    label_ids: np.ndarray
    ngram_splits: np.ndarray
    ngram_ids: np.ndarray
    counts: np.ndarray

    def pack(self) -> bytes:
        """Returns the arrays as bytes."""
        return pack(*self)

    @classmethod
    def unpack(cls, packed: bytes) -> Piece:
        """Returns the arrays again, as narrow as they may be."""
        order, *columns = unpack(packed)
        return cls(order.reshape(-1, 2), *columns)


def pieces_of(
    block: PaperBlock, places: np.ndarray, vocabulary: Vocabulary, labels: Sequence[str], shards: Mapping[str, int]
) -> Iterator[tuple[int, int, Piece]]:
    """Looks up the n-grams of a block's papers, shard by shard.

    Args:
        block: the block.
        places: PLACES rows, ascending: the papers that are kept.
        vocabulary: the n-grams that are kept.
        labels: in the order of their ids.
        shards: files of each split.

    Yields:
        Position of the split in SPLITS, number of the shard, and papers of it.
    """
    index = block.index[places['row']]
    number = np.array([shards[split] for split in SPLITS], np.uint64)[places['split']]
    shard = (index['id_high'] % number).astype(np.int64)
    order = np.lexsort((shard, places['split']))
    # The papers of each shard side by side: what follows cuts, and gathers nothing.
    looked_up = row_ngrams(block.ngrams, vocabulary, places['row'][order])
    label_ids, label_splits = block.label_ids(places['row'][order], labels)
    paper_ids = [block.paper_ids[row] for row in places['row'][order].tolist()]
    sizes = np.array([_PIECE_PAPER_BYTES + len(id_) for id_ in paper_ids], np.int64)
    sizes += _PIECE_NGRAM_BYTES * np.diff(looked_up.splits) + _PIECE_LABEL_BYTES * np.diff(label_splits)
    size_before = np.append(0, np.cumsum(sizes))
    split, shard, index = places['split'][order], shard[order], index[order]
    changes = np.flatnonzero((split[1:] != split[:-1]) | (shard[1:] != shard[:-1])) + 1
    for begin, end in itertools.pairwise([0, *changes.tolist(), len(order)]):
        while begin < end:
            limit = size_before[begin] + _PIECE_BYTES
            stop = min(max(int(np.searchsorted(size_before, limit, 'right')) - 1, begin + 1), end)
            ngrams, some = looked_up.splits[begin : stop + 1], label_splits[begin : stop + 1]
            yield (
                int(split[begin]),
                int(shard[begin]),
                Piece(
                    np.column_stack([index['id_high'][begin:stop], index['id_low'][begin:stop]]),
                    np.cumsum([len(id_) for id_ in paper_ids[begin:stop]]),
                    np.frombuffer(b''.join(paper_ids[begin:stop]), np.uint8),
                    some - some[0],
                    label_ids[some[0] : some[-1]],
                    ngrams - ngrams[0],
                    looked_up.ids[ngrams[0] : ngrams[-1]],
                    looked_up.counts[ngrams[0] : ngrams[-1]],
                ),
            )
            begin = stop


def merged(pieces: Iterable[Piece]) -> tuple[ExampleColumns, np.ndarray]:
    """Sorts the papers of a shard.

    Returns:
        Their columns, with weights of 0, and the n-grams' counts, int64 [pairs].
    """
    parts = list(pieces)
    order_of = np.concatenate([np.zeros((0, 2), np.uint64), *(part.order for part in parts)])
    order = np.lexsort((order_of[:, 1], order_of[:, 0]))
    ids = [
        part.ids[begin:end].tobytes()
        for part in parts
        for begin, end in zip(np.append(0, part.id_ends[:-1]), part.id_ends, strict=True)
    ]
    label_splits, labels = _reordered(parts, 'label_splits', ('label_ids',), order)
    ngram_splits, ngrams = _reordered(parts, 'ngram_splits', ('ngram_ids', 'counts'), order)
    weights = np.broadcast_to(np.float32(0), len(ngrams[0]))
    columns = ExampleColumns(
        [ids[at] for at in order.tolist()], labels[0], label_splits, ngrams[0], weights, ngram_splits
    )
    return columns, ngrams[1]


def examples_of(columns: ExampleColumns, counts: np.ndarray, idf: np.ndarray, config: NgramConfig) -> Iterator[bytes]:
    """Weighs the n-grams of `merged` papers and encodes them: yields a serialized tf.Example for each."""
    for start in range(0, len(columns.paper_ids), _SLICE_PAPERS):
        some = between(columns, start, start + _SLICE_PAPERS)
        first, last = columns.ngram_splits[start], columns.ngram_splits[start] + some.ngram_splits[-1]
        yield from encode_examples(weighed(some, counts[first:last], idf, config))


def weighed(columns: ExampleColumns, counts: np.ndarray, idf: np.ndarray, config: NgramConfig) -> ExampleColumns:
    """Fills in the weights, by the transform graph's own function."""
    import tensorflow as tf

    from pipeline import preprocessing

    rows = np.repeat(np.arange(len(columns.paper_ids)), np.diff(columns.ngram_splits))
    rows, ids, counts = (tf.constant(array, tf.int64) for array in (rows, columns.ngram_ids, counts))
    return columns._replace(ngram_weights=preprocessing.weigh(rows, ids, counts, tf.constant(idf), config).numpy())


def _reordered(
    parts: list[Piece], splits: str, names: Sequence[str], order: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Concatenates ragged columns and puts their rows into an order."""
    lengths = np.concatenate(
        [np.zeros(0, np.int64), *(np.diff(getattr(part, splits).astype(np.int64)) for part in parts)]
    )
    begins = (np.cumsum(lengths) - lengths)[order]
    ends = np.append(0, np.cumsum(lengths[order]))
    # A shard has millions of pairs: columns as narrow as the pieces' own, and few positions at a time.
    none = np.zeros(0, np.uint8)
    columns = [np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in names]
    ordered = [np.empty_like(column) for column in columns]
    for start in range(0, len(order), _SLICE_PAPERS):
        bounds = ends[start : start + _SLICE_PAPERS + 1]
        at = positions_of(begins[start : start + _SLICE_PAPERS], np.diff(bounds))
        for column, target in zip(columns, ordered, strict=True):
            target[bounds[0] : bounds[-1]] = column[at]
    return ends, ordered


def _pieces(
    part: Part, folder: str, vocabulary: list[Chunk], labels: list[str], shards: dict[str, int]
) -> Iterator[Part]:
    places = rows_of([part[1]], PLACES)
    block = PaperBlock.load(block_path(folder, part[0]))
    for split, shard, piece in pieces_of(block, places, vocabulary_of(vocabulary), labels, shards):
        yield _key(split, shard), piece.pack()
    count('papers looked up', len(places))


def _empty_pieces(shards: dict[str, int]) -> Iterator[Part]:
    for split, name in enumerate(SPLITS):
        for shard in range(shards[name]):
            yield _key(split, shard), b''


def _write(
    group: tuple[int, Iterable[bytes]],
    root: str,
    config: NgramConfig,
    vocabulary: list[Chunk],
    documents: int,
    shards: dict[str, int],
) -> Shard:
    split, shard = divmod(group[0], 1 << 32)
    columns, counts = merged(Piece.unpack(packed) for packed in group[1] if packed)
    idf = inverse_document_frequencies(vocabulary_of(vocabulary).counts.papers, documents)
    name = SPLITS[split]
    file = shard_name(f'{features.EXAMPLES_DIR}/{name}', shard, shards[name], '.tfrecord.gz')
    count('papers written', len(columns.paper_ids))

    def write(path: str) -> None:
        write_tfrecords(path, examples_of(columns, counts, idf, config))

    return write_shard(root, file, write, len(columns.paper_ids))


def _key(split: int, shard: int) -> int:
    return (split << 32) + shard
