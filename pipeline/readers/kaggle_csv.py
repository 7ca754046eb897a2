"""The Kaggle set "arXiv Paper Abstracts": CSV with titles, summaries and terms, the terms as a Python list literal.

Columns may be separated by tabs as well. Fields may be quoted and hold line feeds, so a file is read as one piece. A
record that is not well-formed costs only its first line: reading goes on behind that.
"""

from __future__ import annotations

import ast
import collections
import csv
import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.readers.compression import DamagedFile
from pipeline.readers.format import BYTE_ORDER_MARK, ByteRange, Dump, Format, ReadOptions
from pipeline.readers.lines import Line, lines_of
from schemas.errors import JobError
from schemas.paper import DeadLetter, Reason, Record, RejectedRecord

_NAMES = {
    'id': ('id', 'ids', 'arxiv_id'),
    'title': ('titles', 'title'),
    'abstract': ('summaries', 'summary', 'abstracts', 'abstract'),
    'categories': ('terms', 'categories'),
    'updated': ('update_date', 'updated'),
}
# JSON, XML, or bytes that are no text, UTF-16 among them.
_NO_HEADER = re.compile(r'^\s*[\[{<]|[\0-\x08\x0e-\x1f]')


def recognise(dump: Dump, head: bytes, options: ReadOptions) -> Dump | None:
    """Recognises a file whose first line has several columns; finds those that hold a paper's fields.

    Raises:
        JobError: if a column that is needed is missing.
    """
    header = head.lstrip(b'\r\n').split(b'\n')[0].decode(errors='replace')
    if _NO_HEADER.search(header):
        return None
    delimiter = '\t' if '\t' in header else ','
    try:
        columns = [name.strip() for name in next(csv.reader([header], delimiter=delimiter, strict=True), [])]
    except csv.Error:
        return None
    if len(columns) < 2 or max(map(len, columns)) > 100:
        return None
    chosen = dict(options.csv_columns)
    found: dict[str, int] = {}
    for field, names in _NAMES.items():
        wanted = (chosen[field],) if field in chosen else names
        present = [name for name in wanted if name in columns]
        needed = field in ('title', 'abstract') or (field == 'categories' and options.labelled) or field in chosen
        if present:
            found[field] = columns.index(present[0])
        elif needed:
            raise JobError(
                f'{dump.path} has no column "{wanted[0]}" (it has: {", ".join(columns)}). '
                f'Rename the column, or say --csv_columns {field}=COLUMN'
            )
    return dataclasses.replace(
        dump, format=FORMAT.name, columns=tuple(found.items()), width=len(columns), delimiter=delimiter
    )


def read(part: ByteRange, blocks: Iterable[bytes], options: ReadOptions) -> Iterator[Record | DeadLetter]:
    """Yields a record or a dead letter for each CSV record behind the header."""
    limit = options.max_record_bytes
    # What csv itself limits is a whole-process setting; a record's size is checked here.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * limit))
    lines = _Lines(lines_of(blocks, limit), limit)
    header = True
    while not lines.at_end():
        outcome = _next_row(lines, part.dump.delimiter)
        taken = lines.taken
        position = taken[0].start if taken else lines.offset
        raw = b'\n'.join(line.content for line in taken)
        if isinstance(outcome, DamagedFile):
            yield DeadLetter(part.dump.path, position, str(Reason.DAMAGED_FILE), str(outcome), raw)
            return
        if isinstance(outcome, RejectedRecord):
            lines.give_back_all_but_first()
            yield DeadLetter(part.dump.path, position, outcome.reason, str(outcome), taken[0].content)
        elif header and outcome:
            header = False
        elif outcome:
            yield _record(part.dump, position, raw, outcome, options.labelled)


class _Lines:
    """The lines of a file as csv.reader takes them, which knows what it took for the record at hand."""

    def __init__(self, lines: Iterator[Line], limit: int) -> None:
        self._lines = lines
        self._limit = limit
        self._given_back: collections.deque[Line] = collections.deque()
        self._damage: DamagedFile | None = None
        self.taken: list[Line] = []
        self.offset = 0
        self._size = 0

    def begin_record(self) -> None:
        self.taken, self._size = [], 0

    def at_end(self) -> bool:
        if not self._given_back:
            line = self._pull()
            if line is None:
                return self._damage is None
            self._given_back.append(line)
        return False

    def give_back_all_but_first(self) -> None:
        self._given_back.extendleft(reversed(self.taken[1:]))

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._pull()
        if line is None:
            if self._damage is not None:
                raise self._damage
            raise StopIteration
        self.taken.append(line)
        self.offset = line.start + line.length + line.terminated
        self._size += line.length + 1
        if self._size > self._limit + 1:
            raise RejectedRecord(Reason.TOO_LONG, f'the record has more than {self._limit} bytes')
        content = line.content.removeprefix(BYTE_ORDER_MARK) if line.start == 0 else line.content
        # Bytes that are not UTF-8 become lone surrogates, so that the record as a whole can be judged and rejected.
        return content.decode(errors='surrogateescape') + ('\n' if line.terminated else '')

    def _pull(self) -> Line | None:
        if self._damage is not None:
            return None
        try:
            return next(self._lines, None)
        except DamagedFile as damage:
            self._damage = damage
            return None


def _next_row(lines: _Lines, delimiter: str) -> list[str] | RejectedRecord | DamagedFile:
    """Returns the next row, which is empty for a blank line, or what is wrong with it."""
    lines.begin_record()
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return RejectedRecord(Reason.MALFORMED_CSV, str(error))
    except (RejectedRecord, DamagedFile) as error:
        return error


def _record(dump: Dump, position: int, raw: bytes, row: list[str], labelled: bool | None) -> Record | DeadLetter:
    try:
        if len(row) != dump.width:
            raise RejectedRecord(Reason.MALFORMED_CSV, f'the record has {len(row)} columns, the header {dump.width}')
        fields: dict[str, Any] = {field: row[index] for field, index in dump.columns}
        for field, value in fields.items():
            if not value.isascii() and any('\udc80' <= character <= '\udcff' for character in value):
                raise RejectedRecord(Reason.INVALID_ENCODING, f'{field} is not UTF-8')
        if labelled is not False and 'categories' in fields:
            fields['categories'] = _terms(fields['categories'], required=bool(labelled))
    except RejectedRecord as rejection:
        return DeadLetter(dump.path, position, rejection.reason, str(rejection), raw)
    return Record(dump.path, position, raw, fields)


def _terms(text: str, *, required: bool) -> str | list[str] | None:
    try:
        return parse_terms(text)
    except RejectedRecord:
        if required:
            raise
        return None


def parse_terms(text: str) -> str | list[str]:
    """Reads a Python list literal of strings; text that does not begin like a list is returned as it is.

    >>> parse_terms("['cs.LG', 'stat.ML']"), parse_terms('cs.LG stat.ML')
    (['cs.LG', 'stat.ML'], 'cs.LG stat.ML')

    Raises:
        RejectedRecord: if it begins like a list but is none of strings.
    """
    if not text.lstrip().startswith(('[', '(')):
        return text
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise RejectedRecord(Reason.MALFORMED_CATEGORIES, f'the categories are no list literal: {text[:80]}') from error
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise RejectedRecord(Reason.MALFORMED_CATEGORIES, f'the categories are no list of strings: {text[:80]}')
    return list(value)


FORMAT = Format('kaggle_csv', recognise, read, splittable=False)
