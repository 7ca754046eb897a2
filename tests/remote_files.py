"""An object store for tests: `remote://BUCKET/NAME`, kept below the local folder that REMOTE_FILES names.

It behaves as Beam's `gs://` and `s3://` do, and where these differ as the stricter one: it knows objects and no
folders, objects appear when they are closed, whole; renaming copies and deletes, one after the other; there is no
appending. It raises what Google's client raises. What changes something is noted, in order.

A bucket is a folder that a test has made.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import tempfile
import urllib.parse

from apache_beam.io.filesystem import BeamIOError, CompressedFile, CompressionTypes, FileMetadata, FileSystem
from google.api_core import exceptions

SCHEME = 'remote'
VARIABLE = 'REMOTE_FILES'
_LOG = '.log'


class Bucket:
    """The bucket `remote://bucket`, as a test sees it from behind.

    Beside it are `remote://denied`, which nobody may use, and `remote://readonly`.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ('bucket', 'denied', 'readonly'):
            (self.folder / name).mkdir(parents=True)

    def put(self, name, content=b''):
        scratch = self.folder / '.put'
        scratch.write_bytes(content)
        scratch.replace(self.folder / 'bucket' / urllib.parse.quote(name, safe=''))

    def objects(self, folder=''):
        """Name below a folder -> content of each object."""
        named = {urllib.parse.unquote(file.name): file for file in (self.folder / 'bucket').iterdir()}
        return {
            name[len(folder) :]: file.read_bytes() for name, file in sorted(named.items()) if name.startswith(folder)
        }

    def changes(self, folder=''):
        """What was done to the objects below a folder, in order: what, and the name below it."""
        words = [line.split() for line in (self.folder / _LOG).read_text().splitlines()]
        start = f'{SCHEME}://bucket/{folder}'
        return [(what, path[len(start) :]) for what, path in words if path.startswith(start)]


class RemoteFiles(FileSystem):
    def __init__(self, pipeline_options):
        if pipeline_options is None:
            raise ValueError('pipeline_options is not set')
        super().__init__(pipeline_options)

    @classmethod
    def scheme(cls):
        return SCHEME

    def join(self, basepath, *paths):
        return '/'.join([basepath.rstrip('/'), *(path.strip('/') for path in paths)])

    def split(self, path):
        return tuple(path.rsplit('/', 1))

    def mkdirs(self, path):
        """Does nothing, as there are no folders."""

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        bucket, _, prefix = dir_or_prefix.removeprefix(f'{SCHEME}://').partition('/')
        try:
            for file in sorted(_bucket(bucket).iterdir()):
                name = urllib.parse.unquote(file.name)
                if name.startswith(prefix):
                    with contextlib.suppress(FileNotFoundError):
                        status = file.stat()
                        yield FileMetadata(f'{SCHEME}://{bucket}/{name}', status.st_size, status.st_mtime)
        except exceptions.ClientError as error:
            raise BeamIOError('List operation failed', {dir_or_prefix: error}) from error

    def create(self, path, mime_type='application/octet-stream', compression_type=CompressionTypes.AUTO):
        return _compressed(_Writer(_Object(path)), path, compression_type)

    def open(self, path, mime_type='application/octet-stream', compression_type=CompressionTypes.AUTO):
        return _compressed(_Object(path).existing().open('rb'), path, compression_type)

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError('nobody needs it')

    def rename(self, source_file_names, destination_file_names):
        failed = {}
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            if source.endswith('/') or target.endswith('/'):
                raise ValueError('Cannot rename a directory')
            try:
                with _Writer(_Object(target), note='rename') as copy:
                    copy.write(_Object(source).existing().read_bytes())
                _Object(source).existing().unlink()
            except exceptions.ClientError as error:
                failed[source, target] = error.code
        if failed:
            raise BeamIOError('Rename operation failed', failed)

    def exists(self, path):
        try:
            return _Object(path).file().is_file()
        except exceptions.NotFound:
            return False

    def size(self, path):
        return _Object(path).existing().stat().st_size

    def last_updated(self, path):
        return _Object(path).existing().stat().st_mtime

    def checksum(self, path):
        raise NotImplementedError('nobody needs it')

    def metadata(self, path):
        try:
            status = _Object(path).existing().stat()
        except exceptions.ClientError as error:
            raise BeamIOError('Metadata operation failed', {path: error}) from error
        return FileMetadata(path, status.st_size, status.st_mtime)

    def delete(self, paths):
        failed = {}
        for path in paths:
            # What ends with a slash is a prefix; anything else a pattern, and if it matches nothing that is fine.
            found = [file.path for file in self._list(path)] if path.endswith('/') else self._matching(path)
            for name in found:
                try:
                    _Object(name).file(writes=True).unlink(missing_ok=True)
                    _note('delete', name)
                except exceptions.ClientError as error:
                    failed[name] = error.code
        if failed:
            raise BeamIOError('Delete operation failed', failed)

    def _matching(self, pattern):
        [found] = self.match([pattern])
        return [file.path for file in found.metadata_list]


class _Object:
    """An object, which may exist."""

    def __init__(self, path):
        self.path = path
        self._bucket, _, self._name = path.removeprefix(f'{SCHEME}://').partition('/')
        if not path.startswith(f'{SCHEME}://') or not self._name or '//' in self._name:
            raise ValueError(f'{path} names no object')

    def file(self, *, writes=False):
        return _bucket(self._bucket, writes=writes) / urllib.parse.quote(self._name, safe='')

    def existing(self):
        file = self.file()
        if not file.is_file():
            raise exceptions.NotFound(f'GET {self.path}: No such object')
        return file


class _Writer(io.BufferedIOBase):
    """Makes an object when it is closed; what is wrong with the bucket is found out then."""

    mode = 'w'

    def __init__(self, target, note='create'):
        super().__init__()
        self._target = target
        self._note = note
        self._content = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this

    def writable(self):
        return True

    def readable(self):
        return False

    def tell(self):
        return self._content.tell()

    def write(self, content):
        return self._content.write(content)

    def close(self):
        if self.closed:
            return
        super().close()
        with self._content as content:
            content.seek(0)
            target = self._target.file(writes=True)
            scratch = target.parent.parent / f'.{os.getpid()}-{id(self)}'
            scratch.write_bytes(content.read())
            os.replace(scratch, target)
        _note(self._note, self._target.path)


def _compressed(file, path, compression_type):
    compression_type = FileSystem._get_compression_type(path, compression_type)
    return file if compression_type == CompressionTypes.UNCOMPRESSED else CompressedFile(file, compression_type)


def _bucket(name, *, writes=False):
    folder = pathlib.Path(os.environ[VARIABLE]) / name
    if name == 'denied' or (writes and name == 'readonly'):
        raise exceptions.Forbidden(f'GET {SCHEME}://{name}: somebody@example.org does not have access')
    if not folder.is_dir():
        raise exceptions.NotFound(f'GET {SCHEME}://{name}: The specified bucket does not exist.')
    return folder


def _note(what, path):
    with (pathlib.Path(os.environ[VARIABLE]) / _LOG).open('a') as log:
        log.write(f'{what} {path}\n')
