"""OAI-PMH 2.0: ListRecords and GetRecord, with the metadata prefixes arXiv, arXivRaw and oai_dc."""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from pipeline.readers.format import ByteRange, Dump, Format, ReadOptions
from pipeline.readers.xml_formats import read_layout, recognised, text_of
from pipeline.readers.xml_records import Layout
from schemas.paper import DeadLetter, Reason, Record, RejectedRecord
from schemas.taxonomy import category_titles

_LAYOUT = Layout('OAI-PMH', ('record', 'error'))

# What a harvester gets that asks for days on which nothing changed.
_NOTHING = 'noRecordsMatch'

_DC = '{http://purl.org/dc/elements/1.1/}'


def recognise(dump: Dump, head: bytes, options: ReadOptions) -> Dump | None:
    """Recognises a file whose first element is OAI-PMH."""
    del options
    return recognised(dump, head, _LAYOUT, FORMAT.name)


def read(part: ByteRange, blocks: Iterable[bytes], options: ReadOptions) -> Iterator[Record | DeadLetter]:
    """Yields a record or a dead letter for each record of the responses; resumption tokens are passed over.

    A deleted record is a dead letter, and so is an error that the server reported in place of records.
    """
    yield from read_layout(part, blocks, options, _LAYOUT, _fields)


def _fields(element: Element) -> dict[str, Any] | None:
    if element.get('code') == _NOTHING:
        return None
    if element.tag.endswith('}error'):
        raise RejectedRecord(Reason.ERROR_RESPONSE, f'the server answered {element.get("code")}: {text_of(element)}')
    header = element.find('{*}header')
    if header is not None and header.get('status') == 'deleted':
        raise RejectedRecord(Reason.DELETED_RECORD, f'{text_of(header.find("{*}identifier"))} was deleted')
    metadata = element.find('{*}metadata/*')
    if metadata is None:
        raise RejectedRecord(Reason.MALFORMED_XML, 'the record has no metadata')
    prefix = metadata.tag.rpartition('}')[2]
    if prefix not in _PREFIXES:
        raise RejectedRecord(
            Reason.MALFORMED_XML, f'its metadata are {prefix}, none of arXiv, arXivRaw and oai_dc; harvest those'
        )
    fields = _PREFIXES[prefix](metadata)
    stamp = text_of(header.find('{*}datestamp')) if header is not None else None
    return fields | {'updated': fields['updated'] or stamp}


def _arxiv(metadata: Element) -> dict[str, Any]:
    def text(name: str) -> str | None:
        return text_of(metadata.find('{*}' + name))

    return {
        'id': text('id'),
        'title': text('title'),
        'abstract': text('abstract'),
        'categories': text('categories'),
        'updated': text('updated') or text('created'),
    }


def _arxiv_raw(metadata: Element) -> dict[str, Any]:
    versions = metadata.findall('{*}version')
    id_ = text_of(metadata.find('{*}id'))
    newest = versions[-1] if versions else None
    date = None if newest is None else text_of(newest.find('{*}date'))
    return _arxiv(metadata) | {
        'id': f'{id_}{newest.get("version", "")}' if id_ and newest is not None else id_,
        'updated': day_of(date),
    }


def _dublin_core(metadata: Element) -> dict[str, Any]:
    """The first description is the abstract, those behind it are comments; subjects are titles of categories."""

    def texts(name: str) -> list[str]:
        return [text for part in metadata.findall(_DC + name) if (text := text_of(part))]

    titles = category_titles()
    found = (titles.get(' '.join(subject.split()), subject) for subject in texts('subject'))
    return {
        'id': next((one for one in texts('identifier') if '/abs/' in one), None),
        'title': next(iter(texts('title')), None),
        'abstract': next(iter(texts('description')), None),
        'categories': list(found),
        'updated': max(texts('date'), default=None),
    }


def day_of(date: str | None) -> str | None:
    """Makes YYYY-MM-DD of a date as in mail: 'Mon, 2 Apr 2007 19:18:42 GMT'; None if it is no date.

    >>> day_of('Mon, 2 Apr 2007 19:18:42 GMT')
    '2007-04-02'
    """
    try:
        return email.utils.parsedate_to_datetime(date or '').date().isoformat()
    except ValueError:
        return None


_PREFIXES: dict[str, Callable[[Element], dict[str, Any]]] = {
    'arXiv': _arxiv,
    'arXivRaw': _arxiv_raw,
    'dc': _dublin_core,
}

FORMAT = Format('oai_pmh', recognise, read, splittable=False)
