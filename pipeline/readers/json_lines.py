"""The Kaggle snapshot of arXiv's metadata: one JSON object a line."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.readers.compression import DamagedFile
from pipeline.readers.format import BYTE_ORDER_MARK, ByteRange, Dump, Format, ReadOptions
from pipeline.readers.lines import Line, lines_of
from schemas.paper import DeadLetter, Reason, Record, RejectedRecord

_NAMES = {
    'id': ('id',),
    'title': ('title',),
    'abstract': ('abstract',),
    'categories': ('categories',),
    'updated': ('update_date', 'updated', 'harvested'),
}
_OBJECT = re.compile(rb'\s*\{\s*("|$)')
_ARRAY_OF_OBJECTS = re.compile(rb'\s*\[\s*\{')


def recognise(dump: Dump, head: bytes, options: ReadOptions) -> Dump | None:
    """Recognises a file in which half or more of the first lines begin like a JSON object; a JSON array is none."""
    del options
    if _ARRAY_OF_OBJECTS.match(head):
        return None
    first = [line for line in head.split(b'\n')[:100] if line.strip()]
    objects = sum(bool(_OBJECT.match(line)) for line in first)
    return dataclasses.replace(dump, format=FORMAT.name) if first and 2 * objects >= len(first) else None


def read(part: ByteRange, blocks: Iterable[bytes], options: ReadOptions) -> Iterator[Record | DeadLetter]:
    """Yields a record or a dead letter for each line that is not blank and begins in the byte range."""
    source = part.dump.path
    lines = lines_of(blocks, options.max_record_bytes, max(part.start - 1, 0))
    if part.start:
        next(lines, None)  # Begins before this range, or is empty.
    offset = part.start
    try:
        for line in lines:
            if part.end is not None and line.start >= part.end:
                return
            offset = line.start + line.length + line.terminated
            if line.start == 0 and line.content.startswith(BYTE_ORDER_MARK):
                line = dataclasses.replace(line, content=line.content[3:], length=line.length - 3)
            if line.content.strip():
                yield _record(source, line)
    except DamagedFile as damage:
        yield DeadLetter(source, offset, str(Reason.DAMAGED_FILE), str(damage), b'')


def _record(source: str, line: Line) -> Record | DeadLetter:
    def rejected(reason: Reason, message: str) -> DeadLetter:
        return DeadLetter(source, line.start, str(reason), message, line.content)

    if line.length > len(line.content):
        return rejected(Reason.TOO_LONG, f'the record has {line.length} bytes')
    try:
        text = line.content.decode()
    except UnicodeDecodeError as error:
        return rejected(Reason.INVALID_ENCODING, f'not UTF-8 at byte {error.start} of the record')
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return rejected(Reason.MALFORMED_JSON, str(error))
    if not isinstance(value, dict):
        return rejected(Reason.MALFORMED_JSON, 'the line is no JSON object')
    try:
        return Record(source, line.start, line.content, _fields(value))
    except RejectedRecord as rejection:
        return DeadLetter(source, line.start, rejection.reason, str(rejection), line.content)


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    fields = dict.fromkeys(_NAMES)
    for field, names in _NAMES.items():
        for name in names:
            if (found := value.get(name)) is not None:
                fields[field] = found
                break
    return fields


FORMAT = Format('json_lines', recognise, read, splittable=True)
