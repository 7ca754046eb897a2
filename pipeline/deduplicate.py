"""Keeps one paper of each group of duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.metrics import Metrics

from pipeline.index import INDEX, Part, Rows, chunks, parts, rows_of
from pipeline.tally import Tally

Key = Literal['id', 'title']


def newest(rows: Rows, key: Key) -> Rows:
    """Returns, of the papers that share a key, the row of the one to keep.

    The latest `updated` wins, then the highest version. Ties are decided by keyed hashes, first of the ids, then of
    the contents, so that the choice depends on the papers alone, never on the order in which a runner delivers them,
    and favours no repository's way of naming papers. Of a paper that was read twice the first copy stays.

    Args:
        rows: INDEX [n], in any order.
        key: 'id' or 'title'.

    Returns:
        INDEX [number of distinct keys], in ascending order of the keys' hashes.
    """
    high, low = f'{key}_high', f'{key}_low'
    order = np.argsort(rows[high])
    starts = _starts(rows[high][order])
    # Few papers have duplicates: only these are worth being ordered by all columns.
    shared = ~(starts & np.r_[starts[1:], True])
    several = rows[order[shared]]
    # np.lexsort compares the last column first.
    ties = (several['row'], several['block'], several['content'], several['id_low'], several['id_high'])
    by_rank = np.lexsort((*ties, -several['recency'], several[low], several[high]))
    order[shared] = order[shared][by_rank]
    starts[shared] = _starts(several[high][by_rank]) | _starts(several[low][by_rank])
    return rows[order[starts]]


class KeptRows(NamedTuple):
    """Outputs of `DropDuplicatePapers`.

    Attributes:
        kept: chunks of INDEX rows, one row a paper.
        tallies: how many were duplicates.
    """

    kept: beam.PCollection[bytes]
    tallies: beam.PCollection[Tally]


class DropDuplicatePapers(beam.PTransform[Any, Any]):
    """Keeps the newest version of each id, and of those one paper a title.

    Input: chunks of INDEX rows. Outputs: see `KeptRows`. Counters: duplicates/kept, duplicates/removed.

    Args:
        partitions: into how many parts the papers are divided by a hash of the key. A worker holds one part at a
            time, 7 MB where a part has 100,000 papers.
    """

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def expand(self, rows: beam.PCollection[bytes]) -> KeptRows:
        """Drops by id, then by title."""
        by_id = rows | 'NewestOfId' >> _KeepNewest('id', self._partitions)
        by_title = by_id.kept | 'OneOfTitle' >> _KeepNewest('title', self._partitions)
        kept = by_title.kept | 'CountKept' >> beam.Map(_count_kept).with_output_types(bytes)
        tallies = (by_id.tallies, by_title.tallies) | 'Tallies' >> beam.Flatten()
        return KeptRows(kept, tallies)


class _KeepNewest(beam.PTransform[Any, Any]):
    def __init__(self, key: Key, partitions: int) -> None:
        super().__init__()
        self._key = key
        self._partitions = partitions

    def expand(self, rows: beam.PCollection[bytes]) -> KeptRows:
        outputs = (
            rows
            | 'PartByKey' >> beam.FlatMap(_parts_by_key, self._key, self._partitions).with_output_types(Part)
            | 'GroupDuplicates' >> beam.GroupByKey()
            | 'KeepNewest' >> beam.ParDo(_KeepNewestOfPart(self._key)).with_outputs('tallies', main='kept')
        )
        kept = outputs.kept
        kept.element_type = bytes
        return KeptRows(kept, outputs.tallies)


class _KeepNewestOfPart(beam.DoFn):
    def __init__(self, key: Key) -> None:
        self._key = key
        self._removed = Metrics.counter('duplicates', 'removed')

    def process(self, part: tuple[int, Iterable[bytes]]) -> Iterator[Any]:
        rows = rows_of(part[1], INDEX)
        kept = newest(rows, self._key)
        yield from chunks(kept)
        removed = len(rows) - len(kept)
        if removed:
            self._removed.inc(removed)
            yield beam.pvalue.TaggedOutput('tallies', (('duplicates',), removed))


def _starts(ordered: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Returns bool [n]: whether a value differs from the one before it."""
    starts = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    return starts


def _parts_by_key(chunk: bytes, key: Key, partitions: int) -> Iterator[Part]:
    rows = rows_of([chunk], INDEX)
    return parts(rows, rows[f'{key}_low'] % np.uint64(partitions))


def _count_kept(chunk: bytes) -> bytes:
    Metrics.counter('duplicates', 'kept').inc(len(chunk) // INDEX.itemsize)
    return chunk
