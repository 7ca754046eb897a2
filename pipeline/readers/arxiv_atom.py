"""Answers of arXiv's API: Atom feeds, one or several pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from pipeline.readers.format import ByteRange, Dump, Format, ReadOptions
from pipeline.readers.xml_formats import read_layout, recognised, text_of
from pipeline.readers.xml_records import Layout
from schemas.paper import DeadLetter, Reason, Record, RejectedRecord

_LAYOUT = Layout('feed', ('entry',))
_ATOM = '{http://www.w3.org/2005/Atom}'


def recognise(dump: Dump, head: bytes, options: ReadOptions) -> Dump | None:
    """Recognises a file whose first element is an Atom feed."""
    del options
    return recognised(dump, head, _LAYOUT, FORMAT.name)


def read(part: ByteRange, blocks: Iterable[bytes], options: ReadOptions) -> Iterator[Record | DeadLetter]:
    """Yields a record or a dead letter for each entry; an entry that reports an error is a dead letter."""
    yield from read_layout(part, blocks, options, _LAYOUT, _fields)


def _fields(entry: Element) -> dict[str, Any]:
    def text(name: str) -> str | None:
        return text_of(entry.find(_ATOM + name))

    id_ = text('id') or ''
    if '/api/errors' in id_:
        raise RejectedRecord(Reason.ERROR_RESPONSE, f'the API answered: {text("summary")}')
    return {
        'id': id_,
        'title': text('title'),
        'abstract': text('summary'),
        'categories': [category.get('term', '') for category in entry.findall(_ATOM + 'category')],
        'updated': text('updated') or text('published'),
    }


FORMAT = Format('arxiv_atom', recognise, read, splittable=False)
