"""Local folders for what knows no scheme: TensorFlow's SavedModels and checkpoints, Keras' weights."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from concurrent import futures

from schemas import outputs
from schemas.remote import is_remote

_COPIES_AT_ONCE = 8


@contextlib.contextmanager
def fetched(folder: str, beginning: str = '') -> Iterator[str]:
    """A context that gives a local folder with the files below `folder`: itself, or a copy for as long.

    Args:
        folder: which.
        beginning: of the paths below it; files whose paths begin otherwise may be missing.

    Raises:
        OSError: if they cannot be read.
    """
    if not is_remote(folder):
        yield folder
        return
    with new_folder() as local:
        download(folder, local, beginning)
        yield local


@contextlib.contextmanager
def uploaded(folder: str) -> Iterator[str]:
    """A context that gives a local folder to write into: `folder` itself, or one that is copied there in the end.

    Raises:
        OSError: if it cannot be written.
    """
    if not is_remote(folder):
        outputs.make_folder(folder)
        yield folder
        return
    with new_folder() as local:
        yield local
        upload(local, folder)


def download(folder: str, local: str, beginning: str = '') -> None:
    """Copies files below a folder into a local one.

    Args:
        folder: which.
        local: the local folder.
        beginning: of the paths below `folder`, of the files that are wanted.

    Raises:
        OSError: if they cannot be read.
    """
    _copy_files(folder, local, (name for name in outputs.files_below(folder) if name.startswith(beginning)))


def upload(local: str, folder: str) -> None:
    """Copies all files below a local folder.

    Raises:
        OSError: if they cannot be written.
    """
    _copy_files(local, folder, outputs.files_below(local))


def copy(source: str, target: str) -> None:
    """Copies a file, and makes the folder that it shall stand in.

    Raises:
        OSError: if it cannot be read or written.
    """
    outputs.make_folder(target.rpartition('/')[0])
    outputs.write_blocks(target, outputs.read_blocks(source))


def new_folder() -> tempfile.TemporaryDirectory[str]:
    """Makes a local folder, which goes with the object that is returned; as a context it gives the path."""
    return tempfile.TemporaryDirectory(prefix='arxiv-tagger-')


def _copy_files(source: str, target: str, names: Iterable[str]) -> None:
    with futures.ThreadPoolExecutor(_COPIES_AT_ONCE) as threads:
        list(threads.map(lambda name: copy(outputs.join(source, name), outputs.join(target, name)), names))
