"""Finds the dumps that the user named, and tells their formats apart by content."""

from __future__ import annotations

import concurrent.futures
import functools
import glob
import hashlib
import itertools
import os
import re
from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from pipeline.config import InputConfig
from pipeline.readers import FORMATS, format_named
from pipeline.readers.compression import DamagedFile, compression_of, decompressed
from pipeline.readers.format import BYTE_ORDER_MARK, ByteRange, Dump, ReadOptions
from schemas import outputs, remote
from schemas.errors import JobError
from schemas.paper import Reason

_HEAD_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 18
_RANGE_BYTES = 16 << 20

# What is fetched by mistake, by how it begins.
_NO_DUMPS = {
    rb'\s*(<!--.*?-->\s*)*<(!doctype\s+html|html)': 'an HTML page, as servers send in place of what they cannot give',
    rb'%PDF': 'a PDF file',
    rb'PK\x03\x04': 'a ZIP archive',
    rb'PAR1': 'a Parquet file',
}


class NoDumpError(JobError):
    """A file can be read, but is no dump of papers. `reason` is one of `Reason`, `head` how the file begins."""

    def __init__(self, reason: Reason, message: str, head: bytes) -> None:
        super().__init__(message)
        self.reason = reason
        self.head = head


def find_dumps(config: InputConfig, *, labelled: bool | None) -> list[Dump]:
    """Finds the files that the patterns match, and looks into each.

    Args:
        config: the patterns, and what the user said of the columns.
        labelled: whether the papers' categories are wanted; a CSV file then needs a column for them. None: where there
            are some.

    Returns:
        The dumps in the order of their paths, each once.

    Raises:
        JobError: if a pattern matches nothing, a file cannot be read or is of no known format, or all are empty.
    """
    sizes: dict[str, int] = {}
    for pattern in config.patterns:
        try:
            found = remote.match(pattern)
        except OSError as error:
            raise JobError(f'Cannot list --input {pattern}: {error.strerror}') from error
        if os.path.isdir(pattern) or (not found and _is_remote_folder(pattern)):
            raise JobError(f"--input {pattern} is a folder. Say which files in it: --input {pattern.rstrip('/')}/'*'")
        if not found:
            raise JobError(f'--input {pattern} matches no file. Check the path; quote a pattern with * in it.')
        sizes |= {path: info.size for path, info in found}
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        look = functools.partial(inspect, options=ReadOptions.of(config, labelled=labelled))
        dumps = list(pool.map(look, sorted(sizes), [sizes[path] for path in sorted(sizes)]))
    if not any(dump.format for dump in dumps):
        names = ', '.join(dump.path for dump in dumps[:3]) + (', ...' if len(dumps) > 3 else '')
        raise JobError(f'{names} {"is" if len(dumps) == 1 else "are"} empty: there is nothing to read.')
    return dumps


def _is_remote_folder(pattern: str) -> bool:
    return remote.is_remote(pattern) and not glob.has_magic(pattern) and remote.exists(pattern)


def byte_ranges(dump: Dump, size: int = _RANGE_BYTES) -> list[ByteRange]:
    """Cuts a dump into parts that can be read side by side: one, unless its format and compression allow more."""
    if not dump.format:
        return []
    if dump.compression or not format_named(dump.format).splittable or dump.size <= size:
        return [ByteRange(dump, 0, None)]
    return [ByteRange(dump, start, min(start + size, dump.size)) for start in range(0, dump.size, size)]


def stored_blocks(path: str, start: int = 0, block_bytes: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """Yields a file's bytes as stored, from `start`.

    Raises:
        JobError: if it cannot be opened or read.
    """
    try:
        yield from outputs.read_blocks(path, start, block_bytes)
    except OSError as error:
        raise JobError(f'Cannot read {path}: {error.strerror or error}') from error


def range_blocks(part: ByteRange) -> Iterator[bytes]:
    """Yields the decompressed bytes of a range, from the byte before it if it is not the first of its file."""
    return decompressed(stored_blocks(part.dump.path, max(part.start - 1, 0)), part.dump.compression)


class HashDumps(beam.PTransform[Any, Any]):
    """Describes each dump for the manifest. Output: a dict of path, size, SHA-256 of its bytes, format, compression."""

    def expand(self, dumps: beam.PCollection[Dump]) -> beam.PCollection[dict[str, Any]]:
        """Reads and hashes."""
        return dumps | 'SpreadOverWorkers' >> beam.Reshuffle() | 'Hash' >> beam.Map(_described)


def _described(dump: Dump) -> dict[str, Any]:
    digest = hashlib.sha256()
    for block in stored_blocks(dump.path):
        digest.update(block)
    return {
        'path': dump.path,
        'bytes': dump.size,
        'sha256': digest.hexdigest(),
        'format': dump.format,
        'compression': dump.compression,
    }


def inspect(path: str, size: int, options: ReadOptions) -> Dump:
    """Looks into a file and tells its format and compression.

    Args:
        path: as Beam's FileSystems opens it.
        size: bytes, as stored.
        options: what the user said of the dumps.

    Raises:
        NoDumpError: if it is of no known format, or damaged from its first bytes on.
        JobError: if it cannot be read.
    """
    blocks = stored_blocks(path, block_bytes=_HEAD_BYTES)
    first = next(blocks, b'')
    compression = compression_of(first)
    head = b''
    try:
        for block in decompressed(itertools.chain([first], blocks), compression):
            head += block
            if len(head) >= _HEAD_BYTES:
                break
    except DamagedFile as damage:
        if not head:
            message = f'{path} is damaged: {damage}, and nothing of it can be read. Fetch it again.'
            raise NoDumpError(Reason.DAMAGED_FILE, message, first) from damage
    dump = Dump(path, size, compression)
    text = head.removeprefix(BYTE_ORDER_MARK)
    if not text.strip():
        return dump
    for format_ in FORMATS:
        try:
            recognised = format_.recognise(dump, text, options)
        except JobError as error:
            raise NoDumpError(Reason.UNKNOWN_FORMAT, str(error), head) from error
        if recognised:
            return recognised
    names = ', '.join(format_.name for format_ in FORMATS)
    for beginning, kind in _NO_DUMPS.items():
        if re.match(beginning, text, re.IGNORECASE):
            message = f'{path} is {kind}, and no dump of papers (known formats: {names}). Fetch it again.'
            raise NoDumpError(Reason.UNKNOWN_FORMAT, message, head)
    begin = text.lstrip().split(b'\n')[0][:60].decode(errors='replace')
    raise NoDumpError(Reason.UNKNOWN_FORMAT, f'{path} is in no known format ({names}). It begins: {begin!r}', head)
