"""Writes records as sharded files whose bytes depend on the records alone.

A record's shard and its place in it follow from a hash, so neither the number of workers nor the order in which a
runner delivers records shows in the files.
"""

from __future__ import annotations

import collections
import hashlib
import operator
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import orjson
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.hashing import keyed_hash
from schemas import outputs
from schemas.paper import DeadLetter

# Hash that decides the shard, key that decides the order in it, record.
ShardRecord = tuple[int, bytes, bytes]
# Keys and records of one shard: shuffled by the thousand, they cost a tenth of what they cost one by one.
Pack = list[tuple[bytes, bytes]]
# Folder and file, records, bytes, SHA-256.
Shard = dict[str, Any]

SHARD_BYTES = 32 << 20
_PACK_BYTES = 1 << 20


def shards_needed(file_bytes: int) -> int:
    """Returns how many shards of about 32 MB that many bytes of files make; at least one."""
    return max(1, round(file_bytes / SHARD_BYTES))


def shard_name(folder: str, shard: int, shards: int, suffix: str) -> str:
    """Returns the path of a shard below the root that `folder`, perhaps '', lies in.

    >>> shard_name('dead_letters', 0, 2, '.jsonl'), shard_name('', 1, 2, '.jsonl')
    ('dead_letters/part-00000-of-00002.jsonl', 'part-00001-of-00002.jsonl')
    """
    name = f'part-{shard:05d}-of-{shards:05d}{suffix}'
    return f'{folder}/{name}' if folder else name


def write_shard(root: str, name: str, write: Callable[[str], None], records: int) -> Shard:
    """Writes a file below `root`, first to a local scratch folder: what is written there half is never seen.

    Args:
        root: the staging folder.
        name: path below it.
        write: writes the content to a local path; the same content each time it is called.
        records: how many records that has.
    """
    with tempfile.TemporaryDirectory() as scratch:
        local = os.path.join(scratch, 'shard')
        write(local)
        target = outputs.join(root, name)
        try:
            digest, size = _copy(local, target)
        except OSError as error:
            # Writing, unlike opening, does not say which file.
            raise OSError(error.errno, error.strerror or str(error), target) from error
    return {'file': name, 'records': records, 'bytes': size, 'sha256': digest}


class WriteShards(beam.PTransform[Any, Any]):
    """Writes `ShardRecord`s to `folder`/part-SSSSS-of-NNNNN`suffix`, every shard, also an empty one.

    Output: a `Shard` for each file, named relative to `root`.
    """

    def __init__(
        self,
        root: str,
        folder: str,
        suffix: str,
        write: Callable[[str, Iterable[bytes]], None],
        shards: int | None = None,
    ) -> None:
        """Configures the sink.

        Args:
            root: the staging folder.
            folder: below it; '' for the root itself.
            suffix: of the file names.
            write: writes records to a local file; equal records give equal bytes.
            shards: number of files; None lets the size of the records decide.
        """
        super().__init__()
        self._root = root
        self._folder = folder
        self._suffix = suffix
        self._write = write
        self._shards = shards

    def expand(self, records: beam.PCollection[ShardRecord]) -> beam.PCollection[Shard]:
        """Groups by shard, sorts and writes."""
        if self._shards is None:
            shards = (
                records
                | 'Sizes' >> beam.Map(_size).with_output_types(int)
                | 'SumSizes' >> beam.CombineGlobally(sum)
                | 'ShardsNeeded' >> beam.Map(shards_needed)
            )
        else:
            shards = records.pipeline | 'Shards' >> beam.Create([self._shards])
        number = beam.pvalue.AsSingleton(shards)
        write = _WriteShard(self._root, self._folder, self._suffix, self._write)
        written = (
            records
            | 'PackByShard' >> beam.ParDo(_PackByShard(), number).with_output_types(tuple[int, Pack])
            | 'GroupByShard' >> beam.GroupByKey()
            | 'Write' >> beam.ParDo(write, number)
        )
        # Apart, since to flatten them with the packs these would be shuffled once more.
        names = written | 'Names' >> beam.Map(operator.itemgetter('file'))
        empty = (
            shards
            | 'EmptyShards' >> beam.FlatMap(_empty_shards, beam.pvalue.AsList(names), write.name)
            | 'WriteEmpty' >> beam.ParDo(write, number)
        )
        return (written, empty) | 'AllShards' >> beam.Flatten()


class WriteDeadLetters(beam.PTransform[Any, Any]):
    """Writes dead letters as JSON Lines, in the order of their sources and positions within a shard."""

    def __init__(self, root: str, folder: str) -> None:
        super().__init__()
        self._root = root
        self._folder = folder

    def expand(self, letters: beam.PCollection[DeadLetter]) -> beam.PCollection[Shard]:
        """Encodes and writes."""
        return (
            letters
            | 'Encode' >> beam.Map(dead_letter_record).with_output_types(ShardRecord)
            | 'WriteShards' >> WriteShards(self._root, self._folder, '.jsonl', write_lines)
        )


class WriteJson(beam.PTransform[Any, Any]):
    """Writes the only element of a PCollection to `path`."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, value: beam.PCollection[Any]) -> beam.PCollection[None]:
        """Writes."""
        path = self._path
        return value | 'Write' >> beam.Map(lambda element: outputs.write_json(path, element))


def write_lines(path: str, records: Iterable[bytes]) -> None:
    """Writes each record and a line feed."""
    with open(path, 'wb') as file:
        file.writelines(record + b'\n' for record in records)


def json_line(value: Any) -> bytes:
    """Encodes a value as one line of JSON, non-ASCII text as it is."""
    return orjson.dumps(value)


def dead_letter_record(letter: DeadLetter) -> ShardRecord:
    """Encodes a dead letter as a line of JSON; those of a file stand in the order of their positions."""
    order = f'{letter.source}\0{letter.position:020d}'
    return keyed_hash(order, 'shard'), order.encode(), json_line(letter.to_json())


class _PackByShard(beam.DoFn):
    def start_bundle(self) -> None:
        self._packs: collections.defaultdict[int, Pack] = collections.defaultdict(list)
        self._bytes: collections.Counter[int] = collections.Counter()

    def process(self, record: ShardRecord, shards: int) -> Iterator[tuple[int, Pack]]:
        place, key, content = record
        shard = place % shards
        self._packs[shard].append((key, content))
        self._bytes[shard] += len(key) + len(content)
        if self._bytes[shard] >= _PACK_BYTES:
            yield shard, self._packs.pop(shard)
            del self._bytes[shard]

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for pack in self._packs.items():
            yield GlobalWindows.windowed_value(pack)
        self._packs.clear()


class _WriteShard(beam.DoFn):
    def __init__(self, root: str, folder: str, suffix: str, write: Callable[[str, Iterable[bytes]], None]) -> None:
        self._root = root
        self._folder = folder
        self._suffix = suffix
        self._write = write

    def name(self, shard: int, shards: int) -> str:
        """Returns a shard's path below the root."""
        return shard_name(self._folder, shard, shards, self._suffix)

    def process(self, group: tuple[int, Iterable[Pack]], shards: int) -> Iterator[Shard]:
        shard, packs = group
        records = sorted(record for pack in packs for record in pack)
        name = self.name(shard, shards)
        yield write_shard(self._root, name, lambda path: self._write(path, (row[1] for row in records)), len(records))


def _copy(local: str, target: str) -> tuple[str, int]:
    """Copies a local file to where the job writes; an attempt that is repeated writes the same bytes again."""
    outputs.make_folder(target.rpartition('/')[0])
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for block in outputs.read_blocks(local):
            digest.update(block)
            yield block

    outputs.write_blocks(target, blocks())
    return digest.hexdigest(), os.path.getsize(local)


def _empty_shards(
    shards: int, written: Sequence[str], name: Callable[[int, int], str]
) -> Iterator[tuple[int, list[Pack]]]:
    for shard in range(shards):
        if name(shard, shards) not in written:
            yield shard, []


def _size(record: ShardRecord) -> int:
    return len(record[2])
