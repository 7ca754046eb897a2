"""Cuts a stream of XML documents into records and parses each by itself, in memory bounded by one record.

A record's tags are found in the bytes, outside comments and CDATA, where they can be nothing else. What is cut out is
parsed by expat, with the namespaces that hold where it stood. So a fault costs the record that it is in; documents may
follow one another, as saved responses do that were put into one file; and a DOCTYPE, which entities would need, is
never read, so that none can be expanded and nothing outside the file is opened.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from pipeline.readers.compression import DamagedFile
from schemas.paper import DeadLetter, Reason, RejectedRecord

_MAX_DEPTH = 64

# What may be the beginning of a tag or a comment that the next block goes on with.
_UNDECIDED = 256

_ENCODING = re.compile(rb'<\?xml[^>]*\sencoding\s*=\s*["\']([\w.-]+)["\']')
_DOCTYPE = re.compile(rb'<!DOCTYPE[^\[>]*(?:\[.*\]\s*)?>', re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A record.

    Attributes:
        position: offset of its first byte in the stream.
        raw: its bytes.
        element: parsed; its name and those of its children are '{namespace}name'.
    """

    position: int
    raw: bytes
    element: Element


class Layout(NamedTuple):
    """What to look for, in names without prefixes.

    Attributes:
        root: the outermost element of a document.
        records: elements that are records, or stand in their place. None lies inside another.
    """

    root: str
    records: tuple[str, ...]


def records(source: str, blocks: Iterable[bytes], layout: Layout, max_bytes: int) -> Iterator[Found | DeadLetter]:
    """Yields each record of the documents in a stream, and a dead letter for what cannot be read.

    Args:
        source: path of the file, for dead letters.
        blocks: its bytes.
        layout: what to look for.
        max_bytes: a longer record becomes a dead letter.
    """

    def letter(reason: Reason, message: str, position: int, raw: bytes) -> DeadLetter:
        return DeadLetter(source, position, str(reason), message, raw[:max_bytes])

    context = _Context(None, {})
    cutter = _Cutter(layout, max_bytes)
    try:
        for piece in cutter.pieces(blocks):
            if piece.kind == 'head':
                context = _context_of(piece.raw)
            elif piece.kind == 'long':
                yield letter(Reason.TOO_LONG, f'the record has more than {max_bytes} bytes', piece.position, piece.raw)
            elif piece.kind == 'cut':
                yield letter(Reason.DAMAGED_FILE, 'the XML before this has no end', piece.position, piece.raw)
            elif piece.kind == 'open':
                yield letter(Reason.MALFORMED_XML, 'the record has no end tag', piece.position, piece.raw)
            else:
                try:
                    element = _parsed(piece.raw, context)
                except RejectedRecord as rejection:
                    yield DeadLetter(source, piece.position, rejection.reason, str(rejection), piece.raw)
                else:
                    yield Found(piece.position, piece.raw, element)
    except DamagedFile as damage:
        yield letter(Reason.DAMAGED_FILE, str(damage), *cutter.unread())


class _Piece(NamedTuple):
    """Bytes that were cut out.

    Attributes:
        kind: 'head', what stands in a document before its first record; 'record'; 'open', a record without an end tag;
            'long', the beginning of one that is too long; 'cut', nothing, where a document begins in another one.
        position: offset of the first byte in the stream.
        raw: the bytes.
    """

    kind: str
    position: int
    raw: bytes


class _Cutter:
    """Finds the tags of records and documents in a stream."""

    def __init__(self, layout: Layout, max_bytes: int) -> None:
        names = '|'.join(re.escape(name) for name in (layout.root, *layout.records))
        self._tokens = re.compile(
            rb'<!--|<!\[CDATA\[|<\?xml(?=\s)|<(?P<end>/?)(?:[\w.-]+:)?(?P<name>' + names.encode() + rb')(?=[\s/>])'
        )
        self._root = layout.root.encode()
        self._max_bytes = max_bytes
        self._buffer = b''
        self._offset = 0  # Of the buffer's first byte.
        self._next = 0  # What lies before this index is dealt with.
        self._head: int | None = None  # Index of where the document begins, until its first record.
        self._record: int | None = None  # Index of the record that has begun.
        self._record_name: bytes | None = None
        self._document = False  # Whether one is open.

    def pieces(self, blocks: Iterable[bytes]) -> Iterator[_Piece]:
        """Yields what lies in the stream. Raises DamagedFile if a document does not come to its end."""
        damage = None
        try:
            for block in blocks:
                self._buffer += block
                yield from self._scan(len(self._buffer) - _UNDECIDED)
                yield from self._forget()
        except DamagedFile as found:
            damage = found
        yield from self._scan(len(self._buffer))
        if damage or self._document:
            raise damage or DamagedFile('it is cut off: its XML has no end')

    def unread(self) -> tuple[int, bytes]:
        """Where the record or the bytes begin that were not dealt with, and what is there of them."""
        start = self._next if self._record is None else self._record
        return self._offset + start, self._buffer[start:]

    def _scan(self, limit: int) -> Iterator[_Piece]:
        """Deals with the tokens that begin before `limit`."""
        while (token := self._tokens.search(self._buffer, self._next)) and token.start() < limit:
            text = token.group()
            if text in _CLOSED_BY:
                end = self._buffer.find(_CLOSED_BY[text], token.end())
                if end < 0 and len(self._buffer) - token.start() <= self._max_bytes:
                    self._next = token.start()
                    return
                # One that does not end in so many bytes is taken for a fault, so as not to lose what is behind it.
                self._next = token.end() if end < 0 else end + len(_CLOSED_BY[text])
                continue
            close = self._buffer.find(b'>', token.end())
            if close < 0:
                if len(self._buffer) - token.start() <= self._max_bytes:
                    self._next = token.start()
                    return
                close = token.end() - 1
            self._next = close + 1
            yield from self._token(token, empty=self._buffer[close - 1 : close] == b'/')
        else:
            self._next = max(self._next, min(limit, len(self._buffer)))

    def _token(self, token: re.Match[bytes], *, empty: bool) -> Iterator[_Piece]:
        start, name = token.start(), token['name']
        if self._record is not None and name == self._record_name and token['end']:
            yield self._piece('record', self._record, self._next)
            self._record = self._record_name = None
        elif name is None or name == self._root:
            yield from self._given_up(start)
            if token['end']:
                self._document, self._head = False, None
                return
            if self._document:
                yield self._piece('cut', start, start)
            self._head = start if self._head is None or name is None else self._head
            self._document = name is not None and not empty
        elif not token['end']:
            yield from self._given_up(start)
            if self._head is not None:
                yield self._piece('head', self._head, start)
                self._head = None
            if empty:
                yield self._piece('record', start, self._next)
            else:
                self._record, self._record_name = start, name

    def _given_up(self, end: int) -> Iterator[_Piece]:
        if self._record is not None:
            yield self._piece('open', self._record, end)
            self._record = self._record_name = None

    def _forget(self) -> Iterator[_Piece]:
        """Lets go of bytes that are not needed any more."""
        if self._record is not None and self._next - self._record > self._max_bytes:
            yield self._piece('long', self._record, self._record + self._max_bytes)
            self._record = self._record_name = None
        if self._head is not None and self._next - self._head > self._max_bytes:
            self._head = None
        kept = min(index for index in (self._record, self._head, self._next) if index is not None)
        self._buffer = self._buffer[kept:]
        self._offset += kept
        self._next -= kept
        self._record = None if self._record is None else self._record - kept
        self._head = None if self._head is None else self._head - kept

    def _piece(self, kind: str, start: int, end: int) -> _Piece:
        return _Piece(kind, self._offset + start, self._buffer[start:end])


_CLOSED_BY = {b'<!--': b'-->', b'<![CDATA[': b']]>'}


class _Context(NamedTuple):
    """What holds for the records of a document: its encoding, if it names one, and prefix -> namespace."""

    encoding: str | None
    namespaces: dict[str, str]


def _context_of(head: bytes) -> _Context:
    """Reads the namespaces that are open at the end of a document's head, as far as it is well-formed."""
    # What a DOCTYPE would declare is left out.
    open_: dict[str, list[str]] = {}
    named = _ENCODING.match(head)
    parser = expat.ParserCreate(named[1].decode() if named else None, '}')
    parser.StartNamespaceDeclHandler = lambda prefix, uri: open_.setdefault(prefix or '', []).append(uri or '')
    parser.EndNamespaceDeclHandler = lambda prefix: open_[prefix or ''].pop()
    with contextlib.suppress(expat.ExpatError, LookupError):
        parser.Parse(_DOCTYPE.sub(b'', head), False)
    return _Context(named[1].decode() if named else None, {prefix: uris[-1] for prefix, uris in open_.items() if uris})


def _parsed(raw: bytes, context: _Context) -> Element:
    """Parses a record. Raises RejectedRecord if it is not well-formed."""
    builder = TreeBuilder()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise RejectedRecord(Reason.MALFORMED_XML, f'its elements are nested deeper than {_MAX_DEPTH}')
        builder.start(_clark(name), {_clark(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_clark(name))

    try:
        parser = expat.ParserCreate(context.encoding, '}')
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = builder.data
        declared = ''.join(
            f' xmlns{":" if prefix else ""}{prefix}={quoteattr(uri)}' for prefix, uri in context.namespaces.items()
        )
        parser.Parse(f'<around{declared}>'.encode(context.encoding or 'utf-8'), False)
        parser.Parse(raw, False)
        parser.Parse(b'</around>', True)
    except (expat.ExpatError, LookupError) as error:
        raise RejectedRecord(Reason.MALFORMED_XML, f'not well-formed: {_said(error)}') from error
    return builder.close()[0]


def _said(error: Exception) -> str:
    return expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else str(error)


def _clark(name: str) -> str:
    return '{' + name if '}' in name else name
