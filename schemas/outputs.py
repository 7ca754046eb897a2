"""Publishing a stage's output: all of it or nothing.

A job writes into a staging folder inside its output folder. Publishing moves what stands there to its final names and
writes `COMPLETED` last; whoever reads an output asks for that file first. A killed job leaves at most a staging
folder, which nobody reads and the next run removes, and what it keeps for a run that goes on (`unfinished`).

Paths may be anything that Beam's FileSystems knows: local, or with a scheme, which `remote` sees to.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from schemas import remote
from schemas.errors import JobError
from schemas.remote import FileInfo, is_remote

COMPLETED = 'COMPLETED'
_STAGING_PREFIX = '.staging-'


def require_completed(folder: str, made_by: str) -> None:
    """Checks that `folder` is a finished output of the command `made_by`.

    Raises:
        JobError: if it is missing, or has no `COMPLETED` file.
    """
    if exists(join(folder, COMPLETED)):
        return
    found = 'has no file COMPLETED' if exists(folder) else 'does not exist'
    raise JobError(
        f'{folder} {found}, so it is no finished output of "arxiv-tagger {made_by}". Run that command to its end first.'
    )


def require_writable(folder: str, flag: str) -> None:
    """Makes a folder if it is missing, and checks that files can be written in it.

    Args:
        folder: its path.
        flag: that named it, and can be left out.

    Raises:
        JobError: if they cannot.
    """
    try:
        _try_to_write(folder)
    except OSError as error:
        raise JobError(
            f'Cannot write to {flag} {folder}: {error.strerror or error}. Choose another folder, or leave {flag} out.'
        ) from error


@contextlib.contextmanager
def publish(
    folder: str,
    names: Sequence[str],
    *,
    made_by: str,
    overwrite: bool,
    keep: Sequence[str] = (),
    unfinished: str | None = None,
) -> Iterator[str]:
    """Gives a staging folder to write into, and publishes it when the block ends without an exception.

    Args:
        folder: the output folder; made if it is missing.
        names: files and folders that the job publishes in it, as glob patterns; `COMPLETED` aside.
        made_by: the command, for messages.
        overwrite: whether a finished output may be replaced. It stays in place until the new one is ready.
        keep: those of `names` whose published contents stay beside the new ones (a folder that gains a version).
        unfinished: name of a folder beside the staging folder, for what lets the next run go on where this one was
            broken off. It is the job's own: what stands in it stays until an output is published.

    Yields:
        The staging folder's path. What an exception leaves there is removed.

    Raises:
        JobError: if the folder holds a finished output and `overwrite` is not set, holds anything else that the
            command did not make, or cannot be written.
    """
    made = _missing_folders(folder)
    staging = join(folder, _STAGING_PREFIX + uuid.uuid4().hex[:12])
    try:
        try:
            _check_may_write(folder, [*names, *([unfinished] if unfinished else [])], made_by, overwrite)
            for leftover in children(folder):
                if leftover.startswith(_STAGING_PREFIX):
                    remove(join(folder, leftover))
            _try_to_write(staging)
        except OSError as error:
            raise JobError(f'Cannot write to {folder}: {error.strerror or error}. Choose another folder.') from error
        yield staging
        remove(join(folder, COMPLETED))
        for name in children(folder):
            if _is_one_of(name, names) and name not in keep:
                remove(join(folder, name))
        for name in children(staging):
            if name in keep and exists(join(folder, name)):
                for child in children(join(staging, name)):
                    move(join(staging, name, child), join(folder, name, child))
            else:
                move(join(staging, name), join(folder, name))
        write_text(join(folder, COMPLETED), '')
        if unfinished and is_remote(folder):
            remove(join(folder, unfinished))
        elif unfinished and exists(join(folder, unfinished)):
            # Into what is removed now: a rename leaves no time to be killed half-way.
            move(join(folder, unfinished), join(staging, unfinished))
    finally:
        with contextlib.suppress(OSError):
            remove(staging)
            for made_here in made:
                os.rmdir(made_here)  # Refuses, and so ends the loop, where something stands in it.


def _try_to_write(folder: str) -> None:
    """Finds out whether a folder can be written: before the hours of work, not after."""
    make_folder(folder)
    probe = join(folder, f'.writable-{uuid.uuid4().hex[:12]}')
    write_text(probe, '')
    remove(probe)


def _check_may_write(folder: str, names: Sequence[str], made_by: str, overwrite: bool) -> None:
    if not exists(folder):
        return
    if not is_remote(folder) and not os.path.isdir(folder):
        raise JobError(f'{folder} is a file, not a folder. Choose another output folder.')
    found = [name for name in children(folder) if not name.startswith(_STAGING_PREFIX)]
    if COMPLETED in found and not overwrite:
        raise JobError(
            f'{folder} already holds a finished output of "arxiv-tagger {made_by}". '
            'Choose another folder, or say --overwrite to replace it.'
        )
    foreign = [name for name in found if not _is_one_of(name, [*names, COMPLETED])]
    if foreign:
        raise JobError(
            f'{folder} holds files that "arxiv-tagger {made_by}" did not make ({", ".join(foreign[:3])}'
            f'{", ..." if len(foreign) > 3 else ""}). Choose an empty or a new folder.'
        )


def _missing_folders(folder: str) -> list[str]:
    """Lists the local folders that writing into `folder` will make: itself first, then its parents."""
    paths = [] if is_remote(folder) else [pathlib.Path(folder), *pathlib.Path(folder).parents]
    return [str(path) for path in paths if not path.exists()]


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


# The file operations that publishing needs, for local paths and for those that have a scheme.


def join(folder: str, *names: str) -> str:
    """Joins path components with a slash; a scheme such as `gs://` survives."""
    return '/'.join([folder.rstrip('/') or folder, *names])


def exists(path: str) -> bool:
    """Whether a file or folder of that path exists."""
    return remote.exists(path) if is_remote(path) else os.path.lexists(path)


def make_folder(path: str) -> None:
    """Makes a folder and its parents; one that exists is fine. Object stores need none."""
    if not is_remote(path):
        os.makedirs(path, exist_ok=True)


def write_text(path: str, text: str) -> None:
    """Writes a small UTF-8 text file."""
    if is_remote(path):
        remote.write_blocks(path, [text.encode()])
    else:
        pathlib.Path(path).write_text(text, 'utf-8', newline='\n')


def write_bytes(path: str, content: bytes) -> None:
    """Writes a whole file, and the folder that it stands in; nobody sees it half-written."""
    if is_remote(path):
        remote.write_blocks(path, [content])
        return
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    scratch = f'{path}.{uuid.uuid4().hex[:12]}'
    try:
        pathlib.Path(scratch).write_bytes(content)
        os.replace(scratch, path)
    except OSError:
        remove(scratch)
        raise


def write_blocks(path: str, blocks: Iterable[bytes]) -> None:
    """Writes a file block by block; the folder that it stands in is there."""
    if is_remote(path):
        remote.write_blocks(path, blocks)
        return
    with open(path, 'wb') as file:
        file.writelines(blocks)


def write_json(path: str, value: Any) -> None:
    """Writes a value as indented JSON, non-ASCII text as it is."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + '\n')


def read_bytes(path: str) -> bytes:
    """Reads a whole file, as it is stored."""
    return b''.join(read_blocks(path, block_bytes=-1)) if is_remote(path) else pathlib.Path(path).read_bytes()


def read_blocks(path: str, start: int = 0, block_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yields a file's bytes as stored, from `start`."""
    if is_remote(path):
        yield from remote.read_blocks(path, start, block_bytes)
        return
    with open(path, 'rb') as file:
        file.seek(start)
        while block := file.read(block_bytes):
            yield block


def read_json(path: str) -> Any:
    """Reads a JSON file."""
    return json.loads(read_bytes(path))


def remove(path: str) -> None:
    """Removes a file, or a folder with all that is in it; a missing one is fine."""
    if is_remote(path):
        remote.remove(path)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def move(source: str, target: str) -> None:
    """Renames a file or folder: at once, or where there are no folders, file by file."""
    if is_remote(source):
        remote.move(source, target)
    else:
        os.rename(source, target)


def children(folder: str) -> list[str]:
    """Lists the names of the files and folders in a folder, sorted; none, if it is missing."""
    if is_remote(folder):
        return sorted({path.split('/')[0] for path in remote.files_below(folder)})
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def info(path: str) -> FileInfo:
    """Tells of a file."""
    if is_remote(path):
        return remote.info(path)
    status = os.stat(path)
    return FileInfo(status.st_size, status.st_mtime_ns)


def files_below(folder: str) -> dict[str, FileInfo]:
    """Lists all files below a folder, by their paths below it; none, if it is missing.

    Raises:
        OSError: if they cannot be listed.
    """
    if is_remote(folder):
        return remote.files_below(folder)

    def fail(error: OSError) -> None:
        raise error

    paths = (
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder, onerror=fail if os.path.lexists(folder) else None, followlinks=True)
        for name in names
    )
    return {os.path.relpath(path, folder): info(path) for path in paths}
