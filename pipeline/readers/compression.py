"""Decompression in blocks, which notices when a file is cut off or corrupt."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_MAGIC = {b'\x1f\x8b': 'gzip', b'BZh': 'bzip2', b'\x28\xb5\x2f\xfd': 'zstd', b'\xfd7zXZ\0': 'xz'}
_MAX_BLOCK = 1 << 20
# What is fed at a time: it bounds what zstd can make of it (128 MiB), and what is lost in front of corrupt bytes.
_SLICE = 1 << 12
# What `xz -9` needs, and some.
_XZ_MEMORY = 1 << 28


class DamagedFile(ValueError):  # noqa: N818 - reads as what it is
    """The file's bytes end too early or cannot be decompressed."""


def compression_of(head: bytes) -> str:
    """Tells the compression by a file's first bytes: 'gzip', 'bzip2', 'xz', 'zstd', or '' for none.

    >>> compression_of(b'BZh91AY'), compression_of(b'titles,summaries')
    ('bzip2', '')
    """
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), '')


def decompressed(blocks: Iterable[bytes], compression: str) -> Iterator[bytes]:
    """Decompresses a file that comes in blocks; several streams one behind the other are read as one.

    Args:
        blocks: the file's bytes as stored.
        compression: as `compression_of` gives it.

    Yields:
        Blocks, of gzip and bzip2 of at most 1 MiB.

    Raises:
        DamagedFile: if the file is cut off, behind all bytes that could be decompressed; if it is corrupt, behind
            those that it had up to 4 KiB before.
    """
    if not compression:
        yield from blocks
        return
    new_stream = _STREAMS[compression]
    stream: Any = None
    for block in _slices(blocks):
        data, out = block, b''
        # Behind as much as was asked for there may be more, though all input is taken.
        while data or (len(out) == _MAX_BLOCK and not stream.eof):
            if stream is None or stream.eof:
                # Zeros behind a stream are padding, as gzip itself has it.
                data = data.lstrip(b'\0') if stream else data
                if not data:
                    break
                stream = new_stream()
            try:
                out, data = stream.feed(data)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                raise DamagedFile(f'its {compression} data is corrupt ({error})') from error
            if out:
                yield out
    if stream is not None and not stream.eof:
        raise DamagedFile(f'it is cut off: its {compression} data has no end')


def _slices(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _SLICE):
            yield block[start : start + _SLICE]


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        out = self._stream.decompress(data, _MAX_BLOCK)
        return out, self._stream.unused_data if self.eof else self._stream.unconsumed_tail


class _Keeping:
    """Bzip2 or xz: what has come in and not yet gone out, they keep themselves."""

    def __init__(self, stream: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._stream = stream

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        out = self._stream.decompress(data, _MAX_BLOCK)
        return out, self._stream.unused_data if self.eof else b''


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._stream.eof)

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            out = self._stream.decompress(data)
        except self._error as error:
            raise ValueError(str(error)) from error
        return out, self._stream.unused_data if self.eof else b''


_STREAMS: dict[str, Callable[[], Any]] = {
    'gzip': _Gzip,
    'bzip2': lambda: _Keeping(bz2.BZ2Decompressor()),
    'xz': lambda: _Keeping(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)),
    'zstd': _Zstd,
}
