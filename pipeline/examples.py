"""Papers into the transform graph, tf.Examples out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pipeline.hashing import keyed_hash
from pipeline.progress import count
from pipeline.shards import ShardRecord
from schemas import features
from schemas.paper import Paper

# A worker with 2 GB of memory holds this many papers and their n-grams with ease.
BATCH_PAPERS = 1000
_FEATURES = (features.LABEL_IDS, features.NGRAM_IDS, features.NGRAM_WEIGHTS, features.PAPER_ID)


def raw_record_batch(papers: Sequence[Paper]) -> pa.RecordBatch:
    """Makes the transform graph's input of papers: a list<binary> column for each feature of raw_paper.pbtxt."""
    columns = {
        features.TITLE: [[paper.title.encode()] for paper in papers],
        features.ABSTRACT: [[paper.abstract.encode()] for paper in papers],
        features.LABELS: [[label.encode() for label in paper.labels] for paper in papers],
        features.PAPER_ID: [[paper.id.encode()] for paper in papers],
    }
    strings = pa.large_list(pa.large_binary())
    return pa.RecordBatch.from_arrays([pa.array(column, strings) for column in columns.values()], list(columns))


def encode_examples(batch: pa.RecordBatch) -> list[bytes]:
    """Encodes transformed papers as tf.Examples, equal batches as equal bytes.

    Args:
        batch: the transform graph's output.

    Returns:
        A serialized tf.Example for each row. Its features stand in alphabetical order, which protocol buffers
        themselves do not promise of a map.
    """
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    columns = []
    for name in _FEATURES:
        single = pa.RecordBatch.from_arrays([batch.column(name)], [name])
        columns.append([_message_field(example) for example in RecordBatchToExamplesEncoder().encode(single)])
    rows = (b''.join(row) for row in zip(*columns, strict=True))
    return [b'\n' + _varint(len(row)) + row for row in rows]


class BatchPapers(beam.PTransform[Any, Any]):
    """Batches papers into the transform graph's input."""

    def expand(self, papers: beam.PCollection[Paper]) -> beam.PCollection[pa.RecordBatch]:
        """Batches."""
        return (
            papers
            | 'Batch' >> beam.BatchElements(min_batch_size=BATCH_PAPERS, max_batch_size=BATCH_PAPERS)
            | 'ToRecordBatch' >> beam.Map(raw_record_batch).with_output_types(pa.RecordBatch)
        )


class EncodeExamples(beam.PTransform[Any, Any]):
    """Encodes transformed record batches as tf.Examples, keyed for `WriteShards` by a hash of the paper's id."""

    def expand(self, batches: beam.PCollection[Any]) -> beam.PCollection[ShardRecord]:
        """Encodes."""
        return batches | 'Encode' >> beam.FlatMap(_shard_records).with_output_types(ShardRecord)


class NgramStatistics(NamedTuple):
    """Of each n-gram id, how often it occurs and in how many papers: int64 [vocabulary] each."""

    occurrences: np.ndarray
    papers: np.ndarray


class CountNgrams(beam.CombineFn):
    """Counts n-grams over transformed papers. Output: `NgramStatistics`."""

    def __init__(self, vocabulary_size: int) -> None:
        self._size = vocabulary_size

    def create_accumulator(self, *args: Any, **kwargs: Any) -> NgramStatistics:
        return NgramStatistics(np.zeros(self._size, np.int64), np.zeros(self._size, np.int64))

    def add_input(self, mutable_accumulator: Any, element: Any, *args: Any, **kwargs: Any) -> NgramStatistics:
        ids, counts = (
            element[0].column(name).flatten().to_numpy(zero_copy_only=False)
            for name in (features.NGRAM_IDS, features.NGRAM_COUNTS)
        )
        # An id stands once a paper. Sums of integers below 2**53 are exact in the doubles that bincount adds up.
        occurrences = np.bincount(ids, counts, self._size).astype(np.int64)
        return self._sum([mutable_accumulator, NgramStatistics(occurrences, np.bincount(ids, minlength=self._size))])

    def merge_accumulators(self, accumulators: Any, *args: Any, **kwargs: Any) -> NgramStatistics:
        return self._sum(list(accumulators))

    def extract_output(self, accumulator: NgramStatistics, *args: Any, **kwargs: Any) -> NgramStatistics:
        return accumulator

    @staticmethod
    def _sum(parts: list[NgramStatistics]) -> NgramStatistics:
        return NgramStatistics(*(np.sum(arrays, axis=0) for arrays in zip(*parts, strict=True)))


def _shard_records(batch: tuple[pa.RecordBatch, Any]) -> Iterator[ShardRecord]:
    transformed = batch[0]
    count('papers transformed', transformed.num_rows)
    ids = transformed.column(features.PAPER_ID).flatten().to_pylist()
    for id_, example in zip(ids, encode_examples(transformed), strict=True):
        hash_ = keyed_hash(id_.decode(), 'shard')
        # The order in the shard is the hash's too: neighbours share neither a day nor a subject.
        yield hash_, hash_.to_bytes(8, 'big') + id_, example


def _message_field(example: bytes) -> bytes:
    """Returns the content of a serialized tf.Example's only field, its Features."""
    header = 1
    while example[header] & 0x80:
        header += 1
    return example[header + 1 :]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
