"""arXiv's daily announcements: RSS 2.0 with new papers, cross-lists and replacements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from pipeline.readers.format import ByteRange, Dump, Format, ReadOptions
from pipeline.readers.oai_pmh import day_of
from pipeline.readers.xml_formats import read_layout, recognised, text_of
from pipeline.readers.xml_records import Layout
from schemas.paper import DeadLetter, Record

_LAYOUT = Layout('rss', ('item',))
_PREAMBLE = re.compile(r'\s*arXiv:\S+\s+Announce Type:\s*\S+\s+Abstract:\s?')


def recognise(dump: Dump, head: bytes, options: ReadOptions) -> Dump | None:
    """Recognises a file whose first element is rss."""
    del options
    return recognised(dump, head, _LAYOUT, FORMAT.name)


def read(part: ByteRange, blocks: Iterable[bytes], options: ReadOptions) -> Iterator[Record | DeadLetter]:
    """Yields a record or a dead letter for each item, whether it is new, a cross-list or a replacement."""
    yield from read_layout(part, blocks, options, _LAYOUT, _fields)


def _fields(item: Element) -> dict[str, Any]:
    description = text_of(item.find('description')) or ''
    return {
        'id': text_of(item.find('guid')) or text_of(item.find('link')),
        'title': text_of(item.find('title')),
        'abstract': _PREAMBLE.sub('', description, count=1),
        'categories': [text for category in item.findall('category') if (text := text_of(category))],
        'updated': day_of(text_of(item.find('pubDate'))),
    }


FORMAT = Format('arxiv_rss', recognise, read, splittable=False)
