"""Finds the words of the n-grams that are kept, and checks that each fingerprint stands for one n-gram.

Every block spells those of the vocabulary's n-grams that it has, so any two n-grams that share a fingerprint meet here.
That is vocabulary size times blocks strings at most, never all n-grams.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.count_ngrams import Chunk, vocabulary_of
from pipeline.index import Part
from pipeline.ngrams import NO_WORD, Vocabulary
from pipeline.paper_blocks import PaperBlock, block_path
from schemas import features, outputs
from schemas.errors import JobError

_GROUP_BITS = 14
# In an element: their strings are 20 bytes on average.
NGRAMS_A_TABLE = 1 << _GROUP_BITS
_BATCHES_AT_ONCE = 32


class WriteVocabulary(beam.PTransform[Any, Any]):
    """Writes vocabulary/ngrams.tsv: n-gram, id, occurrences and papers, tab-separated, with a header.

    Input: for each block its PLACES. Output: numbers of tables, from 0 on, and the rows of the file that each holds,
    NGRAMS_A_TABLE of them.

    Args:
        root: the staging folder.
        folder: where the blocks lie.
        vocabulary: chunks of the vocabulary.

    Raises (when run):
        JobError: if two n-grams have the fingerprint of one that is kept.
    """

    def __init__(self, root: str, folder: str, vocabulary: beam.PCollection[Chunk]) -> None:
        super().__init__()
        self._path = outputs.join(root, features.NGRAMS_FILE)
        self._folder = folder
        self._vocabulary = vocabulary

    def expand(self, places: beam.PCollection[Part]) -> beam.PCollection[Part]:
        """Spells, checks and writes."""
        vocabulary = beam.pvalue.AsList(self._vocabulary)
        tables = (
            places
            | 'SpellBlocks' >> beam.FlatMap(_spell_block, self._folder, vocabulary).with_output_types(Part)
            | 'GroupById' >> beam.GroupByKey()
            | 'ToTable' >> beam.Map(_to_table, vocabulary).with_output_types(Part)
        )
        _ = (
            places.pipeline
            | 'Once' >> beam.Create([None])
            | 'Write' >> beam.Map(_write, self._path, beam.pvalue.AsList(tables))
        )
        return tables


def spell(block: PaperBlock, vocabulary: Vocabulary) -> pa.RecordBatch:
    """Returns the vocabulary's n-grams in a block: `id` (uint32, ascending) and `ngram` (binary, words and blanks)."""
    positions, ids = vocabulary.find(block.ngrams)
    order = np.argsort(ids, kind='stable')
    words = pa.array(block.words, pa.binary())
    columns = [
        words.take(pa.array(codes, pa.uint32(), mask=codes == NO_WORD))
        for codes in block.ngrams.words[positions[order]].T
    ]
    ngrams = pc.binary_join_element_wise(*columns, pa.scalar(b' ', pa.binary()), null_handling='skip')
    return pa.RecordBatch.from_arrays([pa.array(ids[order], pa.uint32()), ngrams], ['id', 'ngram'])


def agreed(spelled: Iterable[pa.RecordBatch]) -> dict[int, bytes]:
    """Returns id -> n-gram; holds a few batches at a time, however many there are.

    Raises:
        JobError: if an id is spelled in two ways.
    """
    known = pa.table({'id': pa.array([], pa.uint32()), 'ngram': pa.array([], pa.binary())})
    remaining = iter(spelled)
    while some := list(itertools.islice(remaining, _BATCHES_AT_ONCE)):
        known = _agreed(pa.concat_tables([known, pa.Table.from_batches(some)]))
    return dict(zip(known['id'].to_pylist(), known['ngram'].to_pylist(), strict=True))


def _agreed(table: pa.Table) -> pa.Table:
    """Returns one row an id."""
    ids, ngrams = table['id'].to_numpy(), table['ngram'].combine_chunks()
    distinct, first, group = np.unique(ids, return_index=True, return_inverse=True)
    expected = ngrams.take(pa.array(first[group]))
    for at in np.flatnonzero(pc.not_equal(ngrams, expected).to_numpy(zero_copy_only=False))[:1].tolist():
        one, other = (string.as_py().decode() for string in (expected[at], ngrams[at]))
        raise JobError(
            f'The n-grams "{one}" and "{other}" have the same fingerprint, so they cannot be counted apart. '
            'That is less than one chance in a million; please report it. Another --text or --ngram_max avoids it.'
        )
    return pa.table({'id': pa.array(distinct), 'ngram': ngrams.take(pa.array(first))})


def _spell_block(part: Part, folder: str, vocabulary: list[Chunk]) -> Iterator[Part]:
    batch = spell(PaperBlock.load(block_path(folder, part[0])), vocabulary_of(vocabulary))
    groups = batch['id'].to_numpy().astype(np.int64) >> _GROUP_BITS
    bounds = np.searchsorted(groups, np.arange(groups.max(initial=-1) + 2))
    options = pa.ipc.IpcWriteOptions(compression='zstd')
    for group, (begin, end) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        if begin < end:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
                writer.write_batch(batch.slice(begin, end - begin))
            yield group, sink.getvalue().to_pybytes()


def _to_table(group: tuple[int, Iterable[bytes]], vocabulary: list[Chunk]) -> Part:
    ngrams = agreed(batch for packed in group[1] for batch in pa.ipc.open_stream(packed))
    counts = vocabulary_of(vocabulary).counts
    rows = (
        b'%b\t%d\t%d\t%d\n' % (ngram, id_, counts.occurrences[id_], counts.papers[id_])
        for id_, ngram in sorted(ngrams.items())
    )
    return group[0], b''.join(rows)


def _write(_: None, path: str, tables: list[Part]) -> None:
    outputs.write_bytes(path, b''.join([b'ngram\tid\toccurrences\tpapers\n', *(rows for _, rows in sorted(tables))]))
