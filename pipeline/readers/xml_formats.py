"""What the formats of XML have in common: how they are told apart, and how their records become fields."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from pipeline.readers.format import ByteRange, Dump, ReadOptions
from pipeline.readers.xml_records import Layout, records
from schemas.paper import DeadLetter, Record, RejectedRecord

_FIRST_ELEMENT = re.compile(rb'\s*(?:<\?.*?\?>\s*)*<(?:[\w.-]+:)?(?P<name>[\w.-]+)[\s/>]', re.DOTALL)
_COMMENTS = re.compile(rb'<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>', re.DOTALL)


def recognised(dump: Dump, head: bytes, layout: Layout, format_: str) -> Dump | None:
    """Returns the dump as one of a format, if the first element in it is the layout's root; else None."""
    first = _FIRST_ELEMENT.match(_COMMENTS.sub(b'', head))
    return dataclasses.replace(dump, format=format_) if first and first['name'] == layout.root.encode() else None


def read_layout(
    part: ByteRange,
    blocks: Iterable[bytes],
    options: ReadOptions,
    layout: Layout,
    fields_of: Callable[[Element], dict[str, Any] | None],
) -> Iterator[Record | DeadLetter]:
    """Reads a format's records, as `Format.read` promises.

    Args:
        part: the byte range.
        blocks: its bytes.
        options: what the user said.
        layout: of the format.
        fields_of: makes fields of a record's element, or None of one that says nothing; raises RejectedRecord.
    """
    source = part.dump.path
    for found in records(source, blocks, layout, options.max_record_bytes):
        if isinstance(found, DeadLetter):
            yield found
            continue
        try:
            fields = fields_of(found.element)
        except RejectedRecord as rejection:
            yield DeadLetter(source, found.position, rejection.reason, str(rejection), found.raw)
        else:
            if fields is not None:
                yield Record(source, found.position, found.raw, fields)


def text_of(element: Element | None) -> str | None:
    """Returns all text in an element, or None if there is none of either."""
    return ''.join(element.itertext()).strip() or None if element is not None else None
