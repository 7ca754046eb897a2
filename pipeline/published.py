"""The output folder of a streaming job: whose it is, which windows are published in it, and which files are done."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pipeline.patience import describe
from schemas import features, outputs
from schemas.errors import JobError
from schemas.remote import is_remote

SOURCES_FILE = 'sources.json'
_STAGING_PREFIX = '.staging-'
_LOCK_FILE = '.lock'
_FOLDER = re.compile(r'\d{8}T\d{6}Z-[0-9a-f]{8}')
# What else may stand there.
_ALSO_THERE = (features.MODEL_STATUS_FILE, _LOCK_FILE)

# Path, size in bytes, time of the last change in nanoseconds: what makes a file the same file.
Identity = tuple[str, int, int]


class Source(NamedTuple):
    """A file that was taken.

    Attributes:
        path: where it was found.
        size: in bytes.
        mtime_ns: when it was changed last.
        copy: path of the copy that is read.
    """

    path: str
    size: int
    mtime_ns: int
    copy: str

    @property
    def identity(self) -> Identity:
        """What makes it the same file."""
        return self.path, self.size, self.mtime_ns


class Published:
    """The windows that are published in a folder, and the files that they are of. Looks again at each `refresh`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen: set[str] = set()
        self.done: set[Identity] = set()

    def refresh(self) -> list[str]:
        """Returns the names of the windows that were published since it was called last, and notes their files."""
        new = []
        for name in outputs.children(self._folder):
            if name in self._seen or not _FOLDER.fullmatch(name):
                continue
            folder = outputs.join(self._folder, name)
            if not outputs.exists(outputs.join(folder, outputs.COMPLETED)):
                continue
            for file in outputs.read_json(outputs.join(folder, SOURCES_FILE))['files']:
                self.done.add((file['path'], file['size'], file['mtime_ns']))
            self._seen.add(name)
            new.append(name)
        return new


@contextlib.contextmanager
def exclusive(folder: str) -> Iterator[str]:
    """Makes an output folder this job's own, removes what a killed one left there, and gives a staging folder.

    The staging folder is removed when the block ends well, else by the next job.

    Object stores know no locks, and a job elsewhere may outlive the process that began it, which has the lock: the job
    that began last has the folder, and `require_own` tells the one before.

    Raises:
        JobError: if another job writes there, if it holds something else, or if it cannot be written.
    """
    local = not is_remote(folder)
    staging = outputs.join(folder, _STAGING_PREFIX + uuid.uuid4().hex[:12])
    try:
        _check_folder(folder)
        outputs.make_folder(folder)
        lock = open(outputs.join(folder, _LOCK_FILE), 'ab') if local else None  # noqa: SIM115 - held until the job ends
        if lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise JobError(
                    f'Another streaming job writes to {folder}. End that one first, or choose another folder.'
                ) from None
        for name in outputs.children(folder):
            unfinished = _FOLDER.fullmatch(name) and not outputs.exists(outputs.join(folder, name, outputs.COMPLETED))
            if name.startswith(_STAGING_PREFIX) or unfinished:
                outputs.remove(outputs.join(folder, name))
        outputs.make_folder(staging)
        outputs.write_text(outputs.join(staging, 'writable'), '')
        outputs.write_text(outputs.join(folder, _LOCK_FILE), staging)
    except OSError as error:
        raise JobError(f'Cannot write to {folder}: {describe(error)}. Choose another folder.') from error
    # After an exception a runner's thread may still be at work there, and publish what is half removed.
    yield staging
    with contextlib.suppress(OSError):
        outputs.remove(staging)
    if lock:
        lock.close()


def require_own(folder: str, staging: str) -> None:
    """Checks that no other job has taken the output folder over.

    Raises:
        JobError: if one has.
    """
    if outputs.read_bytes(outputs.join(folder, _LOCK_FILE)) != staging.encode():
        raise JobError(f'Another streaming job has taken {folder} over, so this one ends. What it published stays.')


def _check_folder(folder: str) -> None:
    if not is_remote(folder) and os.path.lexists(folder) and not os.path.isdir(folder):
        raise JobError(f'{folder} is a file, not a folder. Choose another output folder.')
    found = outputs.children(folder)
    foreign = [
        name for name in found if not (_FOLDER.fullmatch(name) or name.startswith((_STAGING_PREFIX, *_ALSO_THERE)))
    ]
    if foreign:
        raise JobError(
            f'{folder} holds files that "arxiv-tagger score --streaming" did not make ({", ".join(foreign[:3])}'
            f'{", ..." if len(foreign) > 3 else ""}). Choose an empty or a new folder.'
        )


def window_name(end: datetime.datetime, contents: Iterable[Any]) -> str:
    """Names a window's folder after its end, and after what it is of.

    >>> window_name(datetime.datetime(2026, 11, 21, 12, 46, tzinfo=datetime.UTC), [('in/a.jsonl', 7, 1)])
    '20261121T124600Z-52449d6f'
    """
    digest = hashlib.sha256(json.dumps(sorted(contents)).encode()).hexdigest()
    return f'{end.astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}'


def show(scratch: str, target: str) -> None:
    """Publishes a folder that is complete but for COMPLETED: by one rename, or where there is none by COMPLETED."""
    if not is_remote(target):
        outputs.write_text(outputs.join(scratch, outputs.COMPLETED), '')
        for folder, _, names in os.walk(scratch):
            for path in [*(os.path.join(folder, name) for name in names), folder]:
                _flush(path)
        os.rename(scratch, target)
        _flush(os.path.dirname(target))
        return
    outputs.move(scratch, target)
    outputs.write_text(outputs.join(target, outputs.COMPLETED), '')


def _flush(path: str) -> None:
    """Brings a file or folder to the disk: a rename may reach it before what was renamed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
