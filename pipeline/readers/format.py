"""What a dump is, and what a format's reader promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from pipeline.config import InputConfig
from schemas.paper import DeadLetter, Record

BYTE_ORDER_MARK = b'\xef\xbb\xbf'


@dataclasses.dataclass(frozen=True)
class Dump:
    """A file of papers, as far as it is known before it is read.

    Attributes:
        path: as Beam's FileSystems opens it.
        size: bytes, as stored.
        compression: '', 'gzip', 'bzip2', 'xz' or 'zstd'.
        format: name of its format; '' for an empty file.
        columns: for CSV, field of `Paper` -> index of the column that holds it.
        width: for CSV, number of columns.
        delimiter: for CSV, what separates them.
    """

    path: str
    size: int
    compression: str = ''
    format: str = ''
    columns: tuple[tuple[str, int], ...] = ()
    width: int = 0
    delimiter: str = ','


@dataclasses.dataclass(frozen=True)
class ByteRange:
    """A part of a dump to read: the records whose first byte lies in [start, end), counted after decompression."""

    dump: Dump
    start: int
    end: int | None


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """What the user said about the dumps.

    Attributes:
        labelled: whether the papers' categories are wanted; None: where there are some.
        max_record_bytes: a record longer than this becomes a dead letter.
        csv_columns: (field of `Paper`, column that holds it), for CSV files with columns of other names.
    """

    labelled: bool | None = True
    max_record_bytes: int = 1 << 20
    csv_columns: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, config: InputConfig, *, labelled: bool | None) -> ReadOptions:
        """Returns the options that a config asks for."""
        return cls(labelled, config.max_record_bytes, tuple(config.csv_columns.items()))


@dataclasses.dataclass(frozen=True)
class Format:
    """How to recognise and read a format.

    Attributes:
        name: stable, as manifest.json and messages show it.
        recognise: given a dump, its first bytes after decompression and without a byte order mark, and the options,
            returns the dump with what reading it needs, or None if it is of another format. Raises JobError if it is
            of this one but cannot be read as a whole.
        read: given a byte range, an iterable of its bytes (from the byte before `start`, if that is not 0) and the
            options, yields records and dead letters.
        splittable: whether a large uncompressed file may be read as several byte ranges.
    """

    name: str
    recognise: Callable[[Dump, bytes, ReadOptions], Dump | None]
    read: Callable[[ByteRange, Iterable[bytes], ReadOptions], Iterator[Record | DeadLetter]]
    splittable: bool
