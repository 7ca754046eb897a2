"""Reads dumps into paper blocks, and what was read before from a cache.

What comes of a byte range depends on its bytes and on a few settings. A digest of both names it, so a cached one is
found wherever its dump lies now, and never taken for that of other bytes, settings or versions.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipeline.config import PrepareConfig
from pipeline.hashing import keyed_hash
from pipeline.index import chunks, label_set_names
from pipeline.inputs import byte_ranges, stored_blocks
from pipeline.paper_blocks import PaperBlock, batches, block_path
from pipeline.progress import count
from pipeline.read import CheckRejected, papers_of
from pipeline.readers import Dump
from pipeline.readers.format import ByteRange, ReadOptions
from pipeline.tally import Counts, Tally
from schemas import outputs
from schemas.errors import JobError
from schemas.paper import DeadLetter, Paper

# A cache that other versions wrote is passed over: they may read or split papers in another way.
_VERSIONS = [f'{package} {importlib.metadata.version(package)}' for package in ('arxiv-tagger', 'tensorflow')]
_FORMAT = 3


class ReadBlocksResult(NamedTuple):
    """Outputs of `ReadBlocks`.

    Attributes:
        rows: chunks of INDEX rows, one row a valid paper; `block` and `row` say where it lies.
        label_sets: hash of a label set -> label set, several dicts that overlap.
        dead_letters: of the other records.
        tallies: of both.
    """

    rows: beam.PCollection[bytes]
    label_sets: beam.PCollection[dict[int, str]]
    dead_letters: beam.PCollection[DeadLetter]
    tallies: beam.PCollection[Tally]


class ReadBlocks(beam.PTransform[Any, Any]):
    """Reads every record of the dumps, and writes the valid papers as blocks into `folder`.

    The index is not passed on before all records are read and the share of dead letters is known to be tolerable.
    Counters: read/ranges, read/cached_ranges.

    Raises (when run):
        JobError: if a file is damaged and the config does not tolerate it, if too many records are rejected, or if
            there is no valid paper.
    """

    def __init__(self, dumps: Iterable[Dump], config: PrepareConfig, folder: str) -> None:
        super().__init__()
        self._dumps = list(dumps)
        self._config = config
        self._folder = folder

    def expand(self, root: beam.Pipeline) -> ReadBlocksResult:
        """Builds the reading."""
        read = (
            root
            # The graph of a job has a limit on some engines; ranges are made by a worker.
            | 'Dumps' >> beam.Create(self._dumps)
            | 'ByteRanges' >> beam.FlatMap(byte_ranges)
            | 'SpreadOverWorkers' >> beam.Reshuffle()
            | 'ReadRanges'
            >> beam.ParDo(_ReadRange(self._config, self._folder)).with_outputs(
                'label_sets', 'dead_letters', 'tallies', main='rows'
            )
        )
        checked = read.tallies | 'CheckRejected' >> CheckRejected(self._config.input.max_rejected_fraction)
        rows = read.rows | 'HoldUntilChecked' >> beam.Map(
            lambda chunk, _: chunk, beam.pvalue.AsSingleton(checked)
        ).with_output_types(bytes)
        return ReadBlocksResult(rows, read.label_sets, read.dead_letters, read.tallies)


@dataclasses.dataclass(frozen=True)
class RangeEntry:
    """What came of a byte range, beside its blocks.

    Attributes:
        blocks: (id, SHA-256 of the file) of each.
        dead_letters: of the records that are no valid papers.
        tallies: of all.
    """

    blocks: list[tuple[int, str]]
    dead_letters: list[DeadLetter]
    tallies: list[Tally]

    def to_bytes(self) -> bytes:
        """Returns the cache file's content: JSON, and its SHA-256 on the first line."""
        letters = [
            [letter.position, letter.reason, letter.message, base64.b64encode(letter.raw).decode()]
            for letter in self.dead_letters
        ]
        content = json.dumps({'blocks': self.blocks, 'dead_letters': letters, 'tallies': self.tallies}).encode()
        return hashlib.sha256(content).hexdigest().encode() + b'\n' + content

    @classmethod
    def from_bytes(cls, stored: bytes, source: str) -> RangeEntry | None:
        """Returns the entry again, or None if it is damaged; `source` is where the range lies now."""
        digest, _, content = stored.partition(b'\n')
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        entry = json.loads(content)
        return cls(
            [(block, sha256) for block, sha256 in entry['blocks']],
            [
                DeadLetter(source, position, reason, message, base64.b64decode(raw))
                for position, reason, message, raw in entry['dead_letters']
            ],
            [(tuple(path), number) for path, number in entry['tallies']],
        )


class _ReadRange(beam.DoFn):
    def __init__(self, config: PrepareConfig, folder: str) -> None:
        self._config = config
        self._folder = folder
        self._options = ReadOptions.of(config.input, labelled=True)
        self._ranges = Metrics.counter('read', 'ranges')
        self._cached = Metrics.counter('read', 'cached_ranges')

    def process(self, part: ByteRange) -> Iterator[Any]:
        key = range_key(part, self._config)
        entry = self._cached_entry(part, key)
        self._ranges.inc()
        if entry:
            self._cached.inc()
            count('records read', dict(entry.tallies).get(('read',), 0))
        else:
            entry = self._read(part, key)
        for block_id, _ in entry.blocks:
            block = PaperBlock.load(block_path(self._folder, block_id))
            yield from chunks(block.index)
            yield beam.pvalue.TaggedOutput('label_sets', label_set_names(block.label_sets))
        for letter in entry.dead_letters:
            yield beam.pvalue.TaggedOutput('dead_letters', letter)
        for tally in entry.tallies:
            yield beam.pvalue.TaggedOutput('tallies', tally)

    def _cached_entry(self, part: ByteRange, key: str) -> RangeEntry | None:
        """Returns what the folder holds of the range, if it and all of its blocks are undamaged."""
        try:
            entry = RangeEntry.from_bytes(outputs.read_bytes(_entry_path(self._folder, key)), part.dump.path)
            undamaged = entry and all(
                hashlib.sha256(outputs.read_bytes(block_path(self._folder, block))).hexdigest() == sha256
                for block, sha256 in entry.blocks
            )
        except OSError:  # There is none, which is no error.
            return None
        return entry if undamaged else None

    def _read(self, part: ByteRange, key: str) -> RangeEntry:
        counts, letters, blocks = Counts(), list[DeadLetter](), list[tuple[int, str]]()
        fail_on_damage = self._config.input.damaged_inputs == 'fail'

        def papers() -> Iterator[Paper]:
            for found in papers_of(part, self._options, counts, fail_on_damage=fail_on_damage):
                if isinstance(found, Paper):
                    yield found
                else:
                    letters.append(found)

        for number, batch in enumerate(batches(papers())):
            block_id = keyed_hash(key, f'block {number}')
            content = PaperBlock.of(batch, block_id, self._config.ngrams).to_bytes()
            self._write(block_path(self._folder, block_id), content)
            blocks.append((block_id, hashlib.sha256(content).hexdigest()))
        entry = RangeEntry(blocks, letters, list(counts.items()))
        self._write(_entry_path(self._folder, key), entry.to_bytes())
        return entry

    def _write(self, path: str, content: bytes) -> None:
        try:
            outputs.write_bytes(path, content)
        except OSError as error:
            raise JobError(
                f'Cannot write {path}: {error.strerror or error}. Paper blocks take about 2 KB a paper there; '
                'make room, or choose another --analysis_cache_dir or --output_dir.'
            ) from error


def range_key(part: ByteRange, config: PrepareConfig) -> str:
    """Returns a digest of all that decides what is read of a byte range: its bytes, and settings.

    Of a file that is read in several ranges, which only formats of one record a line allow, a range's bytes are those
    of the lines that begin in it, and the byte before it.
    """
    settings = [
        _FORMAT,
        _VERSIONS,
        dataclasses.asdict(part.dump) | {'path': '', 'size': 0},
        part.start,
        dataclasses.asdict(ReadOptions.of(config.input, labelled=True)),
        config.input.damaged_inputs,
        config.ngrams.text,
        config.ngrams.ngram_max,
    ]
    digest = hashlib.sha256(json.dumps(settings).encode())
    at = max(part.start - 1, 0)
    for block in stored_blocks(part.dump.path, at):
        last = -1 if part.end is None or at + len(block) < part.end else block.find(b'\n', max(part.end - 1 - at, 0))
        digest.update(block[: last + 1 or None])
        if last >= 0:
            break
        at += len(block)
    return digest.hexdigest()


def _entry_path(folder: str, key: str) -> str:
    return outputs.join(folder, f'{key[:32]}.json')
