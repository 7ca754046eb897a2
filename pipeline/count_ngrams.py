"""The vocabulary: which n-grams are kept, of all that the training papers have.

Counts are shuffled by hash partition, and of each partition only its candidates go on: an n-gram's partition is as
good as random, so the K most frequent of all are spread evenly, and ten standard deviations above its even share a
partition has none of them (which is checked). No worker ever holds more n-grams than a block, a partition, or the
vocabulary has.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np

from pipeline.config import NgramConfig
from pipeline.index import PLACES, Part, rows_of
from pipeline.ngrams import NgramCounts, Vocabulary, count_rows, merge_counts, most_frequent, partition_counts
from pipeline.paper_blocks import PaperBlock, block_path
from pipeline.tally import Counts, Tally
from schemas.errors import JobError
from schemas.features import SPLITS

# N-grams in an element: 7 bytes each, 24 at most.
_CHUNK_NGRAMS = 1 << 16
_TRAIN = SPLITS.index('train')

Chunk = tuple[int, bytes]
"""Packed `NgramCounts` and, of the vocabulary, the id of the first."""


class CountedNgrams(NamedTuple):
    """Outputs of `CountNgrams`.

    Attributes:
        vocabulary: the n-grams that are kept, in chunks.
        documents: the number of training papers.
        tallies: distinct n-grams, those in just so many papers, kept n-grams, and the occurrences of these.
    """

    vocabulary: beam.PCollection[Chunk]
    documents: beam.PCollection[int]
    tallies: beam.PCollection[Tally]


class CountNgrams(beam.PTransform[Any, Any]):
    """Counts the n-grams of the training papers and keeps the most frequent ones.

    Input: for each block its PLACES. Outputs: see `CountedNgrams`.

    Args:
        folder: where the blocks lie.
        config: which n-grams are kept.
        partition_bits: there are 2**partition_bits hash partitions; a worker holds one at a time.
    """

    def __init__(self, folder: str, config: NgramConfig, partition_bits: int) -> None:
        super().__init__()
        self._folder = folder
        self._config = config
        self._bits = partition_bits

    def expand(self, places: beam.PCollection[Part]) -> CountedNgrams:
        """Counts, merges and cuts."""
        counted = places | 'CountBlocks' >> beam.ParDo(_CountBlock(self._folder, self._bits)).with_outputs(
            'documents', main='counts'
        )
        counted.counts.element_type = beam.typehints.KV[int, bytes]
        documents = counted.documents | 'SumDocuments' >> beam.CombineGlobally(sum)
        merged = (
            counted.counts
            | 'GroupByPartition' >> beam.GroupByKey()
            | 'MergeCounts'
            >> beam.ParDo(_MergeCounts(self._config, self._bits), beam.pvalue.AsSingleton(documents)).with_outputs(
                'tallies', main='candidates'
            )
        )
        cut = (
            places.pipeline
            | 'Once' >> beam.Create([None])
            | 'Cut'
            >> beam.ParDo(_Cut(self._config.vocabulary_size), beam.pvalue.AsList(merged.candidates)).with_outputs(
                'tallies', main='vocabulary'
            )
        )
        tallies = (merged.tallies, cut.tallies) | 'Tallies' >> beam.Flatten()
        return CountedNgrams(cut.vocabulary, documents, tallies)


def vocabulary_of(chunks: Iterable[Chunk]) -> Vocabulary:
    """Returns the vocabulary that its chunks make, in whatever order they come."""
    return _vocabulary_of(tuple(sorted(chunks)))


@functools.lru_cache(maxsize=1)
def _vocabulary_of(chunks: tuple[Chunk, ...]) -> Vocabulary:
    """Unpacks and sorts the vocabulary once for all blocks of a bundle."""
    return Vocabulary(NgramCounts.concatenate(NgramCounts.unpack(packed) for _, packed in chunks))


def candidates_needed(vocabulary_size: int, partitions: int) -> int:
    """Returns how many n-grams of a hash partition can be among the most frequent ones of all.

    Of `vocabulary_size` n-grams that fall into `partitions` at random, one partition has the even share on average,
    with a standard deviation of its square root; this is ten of those above, and a hundred for small shares.
    """
    share = vocabulary_size / partitions
    return min(vocabulary_size, math.ceil(share + 10 * math.sqrt(share) + 100))


class Candidates(NamedTuple):
    """The n-grams of a partition that can be kept.

    Attributes:
        counts: packed `NgramCounts`, the most frequent first.
        complete: whether the partition has no other n-grams, or none behind this chunk.
    """

    counts: bytes
    complete: bool


def cut(candidates: Iterable[Candidates], number: int) -> NgramCounts:
    """Returns the most frequent n-grams of all partitions.

    Raises:
        JobError: if there are none, or if a partition might have had more than its candidates.
    """
    unpacked = [(NgramCounts.unpack(chunk.counts), chunk.complete) for chunk in candidates]
    counts = most_frequent(NgramCounts.concatenate(part for part, _ in unpacked), number)
    if not len(counts.fingerprints):
        raise JobError(
            'No n-gram is left: --min_document_frequency and --max_document_fraction leave out all that the training '
            'papers have. Loosen them.'
        )
    last = [part.fingerprints[-1] for part, complete in unpacked if not complete]
    # What a partition left out comes behind its last candidate: too late, if that is the last of the vocabulary.
    if np.isin(last, counts.fingerprints[: number - 1]).any():
        raise JobError(
            'N-grams are spread unevenly over the hash partitions, so the most frequent ones cannot be told. '
            'Please report this with the dumps.'
        )
    return counts


class _CountBlock(beam.DoFn):
    def __init__(self, folder: str, bits: int) -> None:
        self._folder = folder
        self._bits = bits

    def process(self, part: Part) -> Iterator[Any]:
        places = rows_of([part[1]], PLACES)
        training = places['row'][places['split'] == _TRAIN]
        block = PaperBlock.load(block_path(self._folder, part[0]))
        chosen = np.zeros(len(block.index), bool)
        chosen[training] = True
        for number, counts in partition_counts(count_rows(block.ngrams, chosen), self._bits):
            for _, packed in _chunks(counts):
                yield number, packed
        yield beam.pvalue.TaggedOutput('documents', len(training))


class _MergeCounts(beam.DoFn):
    def __init__(self, config: NgramConfig, bits: int) -> None:
        self._config = config
        self._number = candidates_needed(config.vocabulary_size, 1 << bits)
        self._counts = Counts()

    def process(self, part: tuple[int, Iterable[bytes]], documents: int) -> Iterator[Any]:
        counts = merge_counts(NgramCounts.unpack(packed) for packed in part[1])
        self._counts['ngrams', 'distinct'] += len(counts.fingerprints)
        for papers, ngrams in zip(*np.unique(counts.papers, return_counts=True), strict=True):
            self._counts['overview', 'document_frequencies', str(papers)] += int(ngrams)
        # Divided, 29 of 100 papers are 0.29 exactly; 0.29 * 100 is less than 29.
        not_too_many = counts.papers / documents <= self._config.max_document_fraction
        allowed = (counts.papers >= self._config.min_document_frequency) & not_too_many
        counts = NgramCounts(*(column[allowed] for column in counts))
        found = most_frequent(counts, self._number)
        complete = len(found.fingerprints) == len(counts.fingerprints)
        for start, packed in _chunks(found):
            last = start + _CHUNK_NGRAMS >= len(found.fingerprints)
            yield Candidates(packed, complete or not last)

    def finish_bundle(self) -> Iterator[Any]:
        for tally in self._counts.flush():
            yield beam.pvalue.TaggedOutput('tallies', tally)


class _Cut(beam.DoFn):
    def __init__(self, number: int) -> None:
        self._number = number

    def process(self, _: None, candidates: list[Candidates]) -> Iterator[Any]:
        counts = cut(candidates, self._number)
        yield from _chunks(counts)
        yield beam.pvalue.TaggedOutput('tallies', (('ngrams', 'vocabulary'), len(counts.fingerprints)))
        yield beam.pvalue.TaggedOutput('tallies', (('ngrams', 'occurrences'), int(counts.occurrences.sum())))


def _chunks(counts: NgramCounts) -> Iterator[Chunk]:
    for start in range(0, len(counts.fingerprints), _CHUNK_NGRAMS):
        yield start, NgramCounts(*(column[start : start + _CHUNK_NGRAMS] for column in counts)).pack()
