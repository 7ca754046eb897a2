"""What the report consists of: sections of pictures, tables and lines of text."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        header: names of the columns.
        rows: cells as people read them; the first column is text, the others are figures unless `texts` has them.
        texts: numbers of further columns that are text.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: Sequence[int] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture.

    Attributes:
        name: of its file, and of its place in the page.
        title: what it shows, as a finding.
        text: what one sees in it, for those who do not.
        svg: the drawing, as `style.draw` returns it.
        note: small print: what is counted, and how.
        table: the numbers, where they are few.
        wide: whether it takes the whole width of the page.
    """

    name: str
    title: str
    text: str
    svg: str
    note: str = ''
    table: Table | None = None
    wide: bool = False
    kind: str = 'picture'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A line of text in the place of a picture."""

    name: str
    title: str
    text: str
    wide: bool = False
    kind: str = 'line'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """What the page's template knows how to write: `kind` names the template's macro, `content` is for it."""

    kind: str
    name: str
    title: str
    content: Any
    note: str = ''
    wide: bool = True


Block = Picture | Line | Part


@dataclasses.dataclass(frozen=True)
class Tile:
    """A figure to be seen at a glance."""

    value: str
    meaning: str
    detail: str = ''


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str
    title: str
    lead: str
    tiles: Sequence[Tile]
    blocks: Sequence[Block]


def not_published(name: str, title: str, path: str, command: str) -> Line:
    """The line in the place of a picture whose file an older version did not write."""
    return Line(
        name=name,
        title=title,
        text=f'{path} is missing: an older version made this folder. Run "arxiv-tagger {command}" again to see '
        'it here.',
    )
