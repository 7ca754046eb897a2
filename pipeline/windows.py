"""Publishes what a streaming job has tagged, window by window: a folder each, which appears whole or not at all.

A window's folder says which files it is of. What is done after a restart is therefore what has been published, no more
and no less: a file's papers and the fact that it is done become visible by the same rename.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import pickle
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms import trigger
from apache_beam.transforms import window as windows
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.patience import until_it_works
from pipeline.published import SOURCES_FILE, Published, Source, require_own, show, window_name
from pipeline.score import check_accounts, what_became_of
from pipeline.shards import (
    ShardRecord,
    dead_letter_record,
    json_line,
    shard_name,
    shards_needed,
    write_lines,
    write_shard,
)
from pipeline.tagged_files import FileFormat
from pipeline.tally import Counts, nested
from schemas import features, outputs

# What a bundle holds before it is written to the staging folder.
_CHUNK_BYTES = 8 << 20

TAGGED, DEAD_LETTER, TALLY, SOURCE = 'tagged', 'dead_letter', 'tally', 'source'

# A kind, and what is of it: what PublishWindows takes.
Finding = tuple[str, Any]


class Staged(NamedTuple):
    """What a bundle has to add to a window.

    Attributes:
        chunks: files of pickled (kind, `ShardRecord`) lists.
        bytes: of the tagged papers, and of the dead letters.
        counts: tallies, summed.
        sources: files.
    """

    chunks: tuple[str, ...]
    bytes: tuple[int, int]
    counts: dict[tuple[str, ...], int]
    sources: tuple[Source, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """Where windows are published, and how.

    Attributes:
        folder: the output folder.
        staging: a folder in it, of this run alone.
        files: the kind of files.
        shards: files of tagged papers a window; None lets their size decide.
    """

    folder: str
    staging: str
    files: FileFormat
    shards: int | None = None


def publish(
    output: Output,
    start: datetime.datetime,
    end: datetime.datetime,
    staged: Sequence[Staged],
    published: Published | None = None,
) -> str:
    """Publishes a window, unless it has been published.

    A runner that went back to a checkpoint may make a part of a window again: the others of its files are not taken
    again, since they are done. What is done is left out.

    Args:
        output: where.
        start: of the window.
        end: of the window.
        staged: what bundles have to add to it.
        published: what is published there, if that was looked at before.

    Returns:
        Name of its folder; '' if there is nothing to publish.

    Raises:
        JobError: if the counts say that a record was lost.
        OSError: if it cannot be written now; it may be called again.
    """
    sources = sorted({source for part in staged for source in part.sources})
    chunks = sorted(chunk for part in staged for chunk in part.chunks)
    if not sources and not chunks:
        return ''
    require_own(output.folder, output.staging)
    name = window_name(end, [source.identity for source in sources] or chunks)
    target = outputs.join(output.folder, name)
    if outputs.exists(outputs.join(target, outputs.COMPLETED)):
        return name
    published = published or Published(output.folder)
    published.refresh()
    if any(source.identity in published.done for source in sources):
        chunks = [chunk for chunk in chunks if outputs.exists(chunk)]
        sources = [source for source in sources if source.identity not in published.done]
        if not sources:
            _remove(chunks)
            return ''
    counts = Counts()
    for part in staged:
        counts.update(part.counts)
    scratch = outputs.join(output.staging, name)
    outputs.remove(scratch)
    outputs.make_folder(scratch)
    statistics = window_statistics(counts, start, end, len(sources))
    if sources:
        # Of messages, what comes late may come in parts.
        check_accounts(statistics)
    _write_records(scratch, '', TAGGED, output.files, output.shards, chunks, sum(part.bytes[0] for part in staged))
    # A dead letter names the file where it was found, not the copy that was read.
    found_at = {source.copy: source.path for source in sources}
    letters = FileFormat('.jsonl', lambda path, lines: write_lines(path, (_at_home(line, found_at) for line in lines)))
    size = sum(part.bytes[1] for part in staged)
    _write_records(scratch, features.DEAD_LETTERS_DIR, DEAD_LETTER, letters, None, chunks, size)
    outputs.write_json(outputs.join(scratch, features.STATISTICS_FILE), statistics)
    files = [
        {
            'path': source.path,
            'size': source.size,
            'mtime_ns': source.mtime_ns,
            'records': counts.get(('sources', source.copy), 0),
        }
        for source in sources
    ]
    outputs.write_json(outputs.join(scratch, SOURCES_FILE), {'files': files})
    require_own(output.folder, output.staging)
    show(scratch, target)
    _remove([*chunks, *(source.copy for source in sources)])
    return name


def window_statistics(
    counts: dict[tuple[str, ...], int], start: datetime.datetime, end: datetime.datetime, files: int
) -> dict[str, Any]:
    """Makes a window's statistics.json of its tallies."""
    tree = nested(counts.items())
    return {
        'window': {'start': _iso(start), 'end': _iso(end)},
        'files': files,
        **what_became_of(tree),
        'model_versions': tree.get('model_versions', {}),
    }


class PublishWindows(beam.PTransform[Any, Any]):
    """Publishes (kind, value) elements, window by window: see `publish`. Windows without any publish nothing.

    Kinds: TAGGED with a `ShardRecord`, DEAD_LETTER with a `DeadLetter`, TALLY with a tally, SOURCE with a `Source`.
    Output: the names of the folders. Counters: publish/windows, publish/retries.
    """

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def expand(self, found: beam.PCollection[tuple[str, Any]]) -> beam.PCollection[str]:
        """Stages, groups and publishes."""
        return (
            found
            | 'Stage' >> beam.ParDo(_Stage(self._output)).with_output_types(tuple[int, Any])
            | 'GroupByWindow' >> beam.GroupByKey()
            | 'Publish' >> beam.ParDo(_Publish(self._output)).with_output_types(str)
        )


class _Buffer:
    def __init__(self) -> None:
        self.records: list[tuple[str, ShardRecord]] = []
        self.size = 0
        self.chunks: list[str] = []
        self.bytes = [0, 0]
        self.counts = Counts()
        self.sources: list[Source] = []

    def add(self, kind: str, value: Any) -> None:
        if kind == TALLY:
            self.counts[value[0]] += value[1]
        elif kind == SOURCE:
            self.sources.append(value)
        else:
            record = dead_letter_record(value) if kind == DEAD_LETTER else value
            self.records.append((kind, record))
            self.bytes[kind == DEAD_LETTER] += len(record[2])
            self.size += len(record[2])


class _Stage(beam.DoFn):
    """Writes what a bundle holds of a window to the staging folder, so that no window needs to fit into memory."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def start_bundle(self) -> None:
        self._buffers: dict[Any, _Buffer] = {}

    def process(self, element: tuple[str, Any], window: Any = beam.DoFn.WindowParam) -> None:
        buffer = self._buffers.setdefault(window, _Buffer())
        buffer.add(*element)
        if buffer.size >= _CHUNK_BYTES:
            self._write(buffer)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for window, buffer in self._buffers.items():
            if buffer.records:
                self._write(buffer)
            staged = Staged(
                tuple(buffer.chunks), (buffer.bytes[0], buffer.bytes[1]), dict(buffer.counts), tuple(buffer.sources)
            )
            yield WindowedValue((0, staged), window.max_timestamp(), (window,))
        self._buffers = {}

    def _write(self, buffer: _Buffer) -> None:
        path = outputs.join(self._output.staging, f'chunk-{uuid.uuid4().hex}')
        content = pickle.dumps(buffer.records)
        until_it_works(self._output.folder, lambda: outputs.write_bytes(path, content))
        buffer.chunks.append(path)
        buffer.records, buffer.size = [], 0


class _Publish(beam.DoFn):
    def __init__(self, output: Output) -> None:
        self._output = output
        self._published = Published(output.folder)
        self._windows = beam.metrics.Metrics.counter('publish', 'windows')

    def process(self, group: tuple[int, Iterable[Staged]], window: Any = beam.DoFn.WindowParam) -> Iterator[str]:
        staged = list(group[1])
        start, end = (_utc(float(time)) for time in (window.start, window.end))
        name = until_it_works(self._output.folder, lambda: publish(self._output, start, end, staged, self._published))
        if name:
            self._windows.inc()
            yield name


def in_windows(seconds: int, lateness: int = 0) -> beam.WindowInto:
    """Puts elements into windows of that length by their timestamps, each published once, when it is over.

    Args:
        seconds: length of a window.
        lateness: for how many seconds after its end a window takes what comes late, each bundle of it in a folder of
            its own; what is later is lost.
    """
    if not lateness:
        return beam.WindowInto(windows.FixedWindows(seconds))
    return beam.WindowInto(
        windows.FixedWindows(seconds),
        trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
        accumulation_mode=trigger.AccumulationMode.DISCARDING,
        allowed_lateness=lateness,
    )


def _write_records(
    root: str, folder: str, kind: str, files: FileFormat, shards: int | None, chunks: Sequence[str], size: int
) -> None:
    number = shards or shards_needed(size)
    for shard in range(number):
        records = sorted(
            (record[1:] for chunk in chunks for record in _records(chunk, kind) if record[0] % number == shard),
        )
        name = shard_name(folder, shard, number, files.suffix)
        write_shard(root, name, lambda path: files.write(path, (row[1] for row in records)), len(records))  # noqa: B023


def _records(chunk: str, kind: str) -> Iterator[ShardRecord]:
    return (record for found, record in pickle.loads(outputs.read_bytes(chunk)) if found == kind)


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            outputs.remove(path)


def _at_home(line: bytes, found_at: dict[str, str]) -> bytes:
    letter = json.loads(line)
    copy = letter['source']
    path = found_at.get(copy, copy)
    return json_line(
        letter | {'source': path, 'message': letter['message'].replace(copy, path) if copy else letter['message']}
    )


def _utc(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _iso(time: datetime.datetime) -> str:
    return f'{time.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}'
