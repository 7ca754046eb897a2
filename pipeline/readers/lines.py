"""Cuts a stream of bytes into lines, in memory bounded by the longest line that is wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A line without its line feed.

    Attributes:
        start: offset of its first byte.
        content: its bytes, or the first `limit` of them.
        length: how many bytes it really has.
        terminated: whether a line feed follows it.
    """

    start: int
    content: bytes
    length: int
    terminated: bool = True


def lines_of(blocks: Iterable[bytes], limit: int, start: int = 0) -> Iterator[Line]:
    r"""Cuts blocks of bytes into lines at each line feed.

    >>> [(line.start, line.content) for line in lines_of([b'one\ntw', b'o\n\nthree'], limit=100)]
    [(0, b'one'), (4, b'two'), (8, b''), (9, b'three')]

    Args:
        blocks: the bytes.
        limit: what a line has beyond this many bytes is passed over.
        start: offset of the first byte.
    """
    pending, length = b'', 0  # The unfinished line: its first bytes, and how many it has so far.
    for block in blocks:
        *finished, rest = block.split(b'\n')
        for piece in finished:
            length += len(piece)
            yield Line(start, pending + piece[: limit - len(pending)] if pending or length > limit else piece, length)
            start += length + 1
            pending, length = b'', 0
        length += len(rest)
        pending += rest[: limit - len(pending)]
    if length:
        yield Line(start, pending, length, terminated=False)
