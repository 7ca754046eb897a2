"""Files that have a scheme, `gs://` or `s3://` or one of the user's own: what Beam's FileSystems can do with them.

Object stores have no folders: there are objects, whose names may have slashes in them, and which appear when they are
whole. What goes wrong is an OSError here, whatever a file system raises. Beam is imported when it is needed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

_SCHEME = re.compile(r'[a-zA-Z][-a-zA-Z0-9+.]*://')
_NO_FILE, _NO_BUCKET = 'No such file', 'No such bucket'
_CODES = {404: errno.ENOENT, 401: errno.EPERM, 403: errno.EACCES, 'AccessDenied': errno.EACCES}

_flags: list[str] = []


class FileInfo(NamedTuple):
    """What a listing tells of a file: bytes, and time of the last change in nanoseconds since 1970."""

    size: int
    mtime_ns: int


def is_remote(path: str) -> bool:
    """Whether a path has a scheme."""
    return '://' in path


def use_flags(flags: Sequence[str]) -> None:
    """Takes Beam's flags, some of which say how file systems are reached: `--s3_endpoint_url`, for example."""
    _flags[:] = flags


def exists(path: str) -> bool:
    """Whether there is a file of that name, or one below it."""
    try:
        # A bucket alone is no object, and may not be asked for as one.
        if path.rstrip('/').count('/') > 2:
            with _os_errors(path):
                if _file_systems(path).exists(path):
                    return True
        return bool(_match(f'{_plain(path)}/**', limit=1))
    except FileNotFoundError:
        return False


def info(path: str) -> FileInfo:
    """Tells of one file.

    Raises:
        OSError: if there is none, or it cannot be asked.
    """
    found = dict(match(_plain(path)))
    if path not in found:
        raise FileNotFoundError(errno.ENOENT, _NO_FILE, path)
    return found[path]


def match(pattern: str) -> list[tuple[str, FileInfo]]:
    """Lists the files that match a pattern, in which * stands for anything but a slash, and ** for anything.

    Raises:
        OSError: if they cannot be listed.
    """
    # An object that ends with a slash is what consoles make for an empty folder.
    return [(path, found) for path, found in _match(pattern) if not path.endswith('/')]


def files_below(folder: str) -> dict[str, FileInfo]:
    """Lists all files below a folder, by their paths below it.

    Raises:
        OSError: if they cannot be listed.
    """
    start = f'{_plain(folder)}/'
    return {path[len(start) :]: found for path, found in match(f'{start}**')}


def read_blocks(path: str, start: int, block_bytes: int) -> Iterator[bytes]:
    """Yields a file's bytes as stored, from `start`.

    Raises:
        OSError: if it cannot be read.
    """
    with _os_errors(path):
        from apache_beam.io.filesystem import CompressionTypes

        # Else a name like x.gz would have it decompressed.
        file = _file_systems(path).open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    with contextlib.closing(file):
        while True:
            with _os_errors(path):
                if start:
                    file.seek(start)
                    start = 0
                block = file.read(block_bytes)
            if not block:
                return
            yield block


def write_blocks(path: str, blocks: Iterable[bytes]) -> None:
    """Writes a file; it appears when all of it is written.

    Raises:
        OSError: if it cannot be written.
    """
    with _os_errors(path, _NO_BUCKET):
        from apache_beam.io.filesystem import CompressionTypes

        file = _file_systems(path).create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    size = 0
    try:
        for block in blocks:
            with _os_errors(path, _NO_BUCKET):
                file.write(block)
            size += len(block)
        with _os_errors(path, _NO_BUCKET):
            if not size and path.startswith('s3://'):
                # apache/beam#21369: without a part there is nothing to complete.
                file.raw._uploader._write_to_s3(b'')
            file.close()
    except BaseException:
        # There is no other way to end a writer than to close it, which shows what it has.
        with contextlib.suppress(Exception):
            file.close()
            _file_systems(path).delete([path])
        raise


def remove(path: str) -> None:
    """Removes a file, and all that is below it; there can be neither.

    Raises:
        OSError: if something stays.
    """
    path = _plain(path)
    files = files_below(path)
    with _os_errors(path):
        if files:
            # What ends with a slash is removed as a folder is: in batches, and some file systems only log what fails.
            _file_systems(path).delete([f'{path}/'])
        if _file_systems(path).exists(path):
            _file_systems(path).delete([path])
    if files and files_below(path):
        raise OSError(errno.EACCES, 'Permission denied', path)


def move(source: str, target: str) -> None:
    """Renames a file, or each file below a folder.

    Raises:
        OSError: if one cannot be renamed; others may have been.
    """
    source, target = _plain(source), _plain(target)
    names = [f'/{name}' for name in files_below(source)] or ['']
    with _os_errors(source):
        _file_systems(source).rename([source + name for name in names], [target + name for name in names])


def _match(pattern: str, limit: int | None = None) -> list[tuple[str, FileInfo]]:
    with _os_errors(pattern, _NO_BUCKET if is_remote(pattern) else _NO_FILE):
        [found] = _file_systems(pattern).match([pattern], [limit])
    return [
        (file.path, FileInfo(file.size_in_bytes, round(file.last_updated_in_seconds * 1e9)))
        for file in found.metadata_list
    ]


def _plain(path: str) -> str:
    """Returns a path that is no pattern, without a slash at its end; FileSystems have no way to quote."""
    if re.search(r'[*?[]', path):
        raise OSError(errno.EINVAL, 'Remote paths may not have *, ? or [ in them', path)
    return path.rstrip('/')


def _file_systems(path: str) -> Any:
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.value_provider import RuntimeValueProvider

    if FileSystems._pipeline_options is None and not RuntimeValueProvider.runtime_options:
        from apache_beam.options.pipeline_options import PipelineOptions

        FileSystems.set_options(PipelineOptions(_flags))
    try:
        if path.startswith('s3://') and not importlib.util.find_spec('boto3'):
            raise ValueError('Beam knows s3://, but the library that it needs is not there')
        FileSystems.get_filesystem(path)
    except ValueError as error:
        scheme = _SCHEME.match(path)
        raise OSError(
            errno.EPROTONOSUPPORT,
            f'No file system for {scheme.group() if scheme else path} is installed. gs:// needs apache-beam[gcp], '
            's3:// apache-beam[aws], one of your own --beam_plugins',
            path,
        ) from error
    return FileSystems


@contextlib.contextmanager
def _os_errors(path: str, missing: str = _NO_FILE) -> Iterator[None]:
    """Raises an OSError in place of whatever a file system raises; `missing` is what 404 means here."""
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        number = (cause.errno if isinstance(cause, OSError) else _CODES.get(_code(cause))) or errno.EIO
        said = {errno.ENOENT: missing, errno.EACCES: 'Permission denied', errno.EPERM: 'No valid credentials'}
        raise OSError(number, said.get(number) or _first_line(cause), path) from error


def _cause(error: Any) -> Any:
    """Returns what a file system met, without Beam's wrapping: an exception, or the status of an answer."""
    details = getattr(error, 'exception_details', None)
    return _cause(next(iter(details.values()))) if isinstance(details, dict) and details else error


def _code(cause: Any) -> Any:
    """Returns the status of the answer that an exception is about."""
    if isinstance(cause, int):
        return cause
    return getattr(cause, 'code', None) or getattr(getattr(cause, 'response', None), 'status_code', None)


def _first_line(cause: Any) -> str:
    text = getattr(cause, 'strerror', None) or next(iter(str(cause).splitlines()), '')
    return str(text)[:300].rstrip('. ') or type(cause).__name__
