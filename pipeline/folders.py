"""Looks which files are in watched folders, and which of them are ready to be taken."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pipeline.patience import describe
from schemas import outputs, remote
from schemas.errors import JobError
from schemas.remote import is_remote

# What browsers and other programs call a file that is not complete yet.
_UNFINISHED = ('.part', '.tmp', '.partial', '.crdownload')
# Compressed text grows about fourfold.
_COMPRESSED = ('.gz', '.bz2', '.xz', '.zst')
_COMPRESSION = 4


class File(NamedTuple):
    """A file as a look at the folder shows it: path, size in bytes, time of the last change in nanoseconds."""

    path: str
    size: int
    mtime_ns: int


def is_ignored(path: str) -> bool:
    """Whether a file is hidden, or named as one that is not complete yet.

    >>> [is_ignored(path) for path in ('in/a.jsonl', 'in/.a.jsonl', 'in/a.jsonl.part', 'in/A.TMP')]
    [False, True, True, True]
    """
    name = path.rsplit('/', 1)[-1]
    return name.startswith('.') or name.lower().endswith(_UNFINISHED)


def patterns_to_watch(patterns: Sequence[str]) -> tuple[str, ...]:
    """Makes patterns absolute; a folder stands for all files in it.

    Raises:
        JobError: if the folder of one does not exist: it may be away later, but a typing error should be seen now.
    """
    watched = []
    for pattern in patterns:
        if is_remote(pattern):
            # Where there are no folders, nothing tells whether a name is to be one.
            is_file = glob.has_magic(pattern) or not pattern.endswith('/')
            is_folder = not glob.has_magic(pattern)
            watched += [pattern] * is_file + [outputs.join(pattern, '*')] * is_folder
            continue
        path = os.path.abspath(pattern)
        path = outputs.join(path, '*') if os.path.isdir(path) or pattern.endswith('/') else path
        if not os.path.isdir(folder_of(path)):
            raise JobError(
                f'--input {pattern}: the folder {folder_of(path)} does not exist. Make it, or mend the path.'
            )
        watched.append(path)
    return tuple(watched)


def list_files(patterns: Iterable[str]) -> tuple[list[File], dict[str, str]]:
    """Looks which files the patterns match.

    Returns:
        The files, those that changed first in front; and folder or pattern -> why it cannot be listed.
    """
    found: dict[str, File] = {}
    troubles: dict[str, str] = {}
    for pattern in patterns:
        place = pattern if is_remote(pattern) else folder_of(pattern)
        try:
            for file in _matches(pattern):
                if not is_ignored(file.path):
                    found[file.path] = file
        except OSError as error:
            troubles[place] = describe(error)
    return sorted(found.values(), key=lambda file: (file.mtime_ns, file.path)), troubles


def folder_of(pattern: str) -> str:
    """Returns the folder that must be there for a pattern to match.

    >>> folder_of('/in/*/a.jsonl'), folder_of('/in/a.jsonl')
    ('/in', '/in')
    """
    parts = pattern.split('/')
    end = next((number for number, part in enumerate(parts) if glob.has_magic(part)), -1)
    return '/'.join(parts[:end]) or '/'


def _matches(pattern: str) -> Iterator[File]:
    if is_remote(pattern):
        for path, found in remote.match(pattern):
            yield File(path, *found)
        return
    # glob() finds nothing where it cannot look.
    os.scandir(folder_of(pattern)).close()
    for path in glob.iglob(pattern, recursive=True):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if os.path.isfile(path):
            yield File(path, status.st_size, status.st_mtime_ns)


class Settling:
    """Tells which files have not been changed for a while.

    Either the time of the last change says so, or, for clocks that differ, two looks that far apart.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[File, float] = {}

    def settled(self, files: Iterable[File], now: float) -> list[File]:
        """Returns those of the files that have settled, in order.

        Args:
            files: what a look has found.
            now: seconds since 1970.
        """
        files = list(files)
        self._since = {file: self._since.get(file, now) for file in files}
        return [
            file
            for file in files
            if now - file.mtime_ns / 1e9 >= self._seconds or now - self._since[file] >= self._seconds
        ]


def admit(files: Iterable[File], limit: int) -> list[File]:
    """Returns the first files, as many as make `limit` bytes of text; at least one.

    >>> [file.path for file in admit([File('a', 6, 0), File('b.gz', 1, 0), File('c', 1, 0)], 10)]
    ['a', 'b.gz']
    """
    admitted: list[File] = []
    total = 0
    for file in files:
        total += file.size * (_COMPRESSION if file.path.endswith(_COMPRESSED) else 1)
        if admitted and total > limit:
            break
        admitted.append(file)
    return admitted
