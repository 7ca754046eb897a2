"""Lets Beam's local runner shuffle more than memory holds, and send a worker process more than two gigabytes.

Beam groups in memory, and sends a worker all of its share of a stage in one message, which may not be longer than that.
Here what is grouped lies in a temporary file (TMPDIR says where) once it is more than some megabytes, and is sent in
pieces while it is read.
"""

from __future__ import annotations

import collections
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from apache_beam.coders.coder_impl import create_InputStream, create_OutputStream
from apache_beam.runners.portability.fn_api_runner import execution
from apache_beam.transforms.window import GlobalWindow, GlobalWindows
from apache_beam.utils.windowed_value import PaneInfo, PaneInfoTiming

PIECE_BYTES = 8 << 20
# A stage rarely has more than two of these at a time.
_SPOOL_BYTES = 16 << 20
_PANE = PaneInfo(is_first=True, is_last=True, timing=PaneInfoTiming.ON_TIME, index=0, nonspeculative_index=0)


class GroupingBuffer(execution.GroupingBuffer):
    """Groups values by key, as Beam's does, but in a file, and gives the groups in pieces.

    Windows other than the global one are left to Beam.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - closed with the buffer
        self._lock = threading.Lock()
        # Encoded key -> where its encoded values begin in the file, and how long they are.
        self._places: collections.defaultdict[bytes, list[tuple[int, int]]] = collections.defaultdict(list)

    def append(self, elements_data: bytes) -> None:
        """Takes encoded keys and values."""
        if not self._windowing.is_default():
            super().append(elements_data)
            return
        stream, coder = create_InputStream(elements_data), self._pre_grouped_coder.get_impl()
        key_coder, value_coder = (part.get_impl() for part in (self._key_coder, self._pre_grouped_coder.value_coder()))

        def elements() -> Iterator[tuple[bytes, bytes]]:
            while stream.size() > 0:
                key, value = coder.decode_from_stream(stream, True).value
                yield key_coder.encode(key), value_coder.encode(value)

        self._write(elements())

    def extend(self, input_buffer: Any) -> None:
        """Takes what another buffer has."""
        super().extend(input_buffer)
        if isinstance(input_buffer, GroupingBuffer):
            self._write((key, value) for key in list(input_buffer._places) for value in input_buffer._values(key))

    def partition(self, n: int) -> Any:
        """Returns `n` lists of a `Share` each."""
        if not self._windowing.is_default():
            return super().partition(n)
        return [[Share(self, number, n)] for number in range(n)]

    def __iter__(self) -> Iterator[bytes]:
        for pieces in self.partition(1)[0]:
            yield from [pieces] if isinstance(pieces, bytes) else pieces

    def groups(self, number: int, of: int) -> Iterator[bytes]:
        """Yields pieces of every `of`-th group from the one of that number on, each of whole groups."""
        in_window = GlobalWindows.windowed_value(
            None, timestamp=GlobalWindow().max_timestamp(), pane_info=_PANE
        ).with_value
        coder, key_coder = self._post_grouped_coder.get_impl(), self._key_coder.get_impl()
        value_coder = self._pre_grouped_coder.value_coder().get_impl()
        piece = create_OutputStream()
        for key in list(self._places)[number::of]:
            values = [value_coder.decode(value) for value in self._values(key)]
            coder.encode_to_stream(in_window((key_coder.decode(key), values)), piece, True)
            if piece.size() >= PIECE_BYTES:
                yield piece.get()
                piece = create_OutputStream()
        yield piece.get()

    def size(self, number: int, of: int) -> int:
        """Returns how many bytes the values of these groups have."""
        return sum(length for key in list(self._places)[number::of] for _, length in self._places[key])

    def _write(self, elements: Iterable[tuple[bytes, bytes]]) -> None:
        with self._lock:
            end = self._file.seek(0, os.SEEK_END)
            for key, value in elements:
                self._file.write(value)
                self._places[key].append((end, len(value)))
                end += len(value)

    def _values(self, key: bytes) -> Iterator[bytes]:
        for begin, length in self._places[key]:
            with self._lock:
                self._file.seek(begin)
                value = self._file.read(length)
            yield value


class Share:
    """A worker's share of what was grouped: pieces that are read when they are asked for."""

    def __init__(self, buffer: GroupingBuffer, number: int, of: int) -> None:
        self._buffer = buffer
        self._which = (number, of)

    def __iter__(self) -> Iterator[bytes]:
        return self._buffer.groups(*self._which)

    def __len__(self) -> int:
        return self._buffer.size(*self._which)


class PiecewiseStream:
    """What the runner writes a worker's input to: sends it in pieces once it is complete.

    Beam writes all of the input, and only then asks the worker to read it. A worker takes no more than some messages
    before that, so that the rest has to be sent by another thread.
    """

    def __init__(self, stream: Any, fail: Callable[[Exception], None]) -> None:
        self._stream = stream
        self._fail = fail
        self._parts: list[bytes | Share] = []

    def write(self, part: bytes | Share) -> None:
        """Takes a part, of whole elements."""
        self._parts.append(part)

    def close(self) -> None:
        """Sends what was written; returns at once."""
        if sum(map(len, self._parts)) <= PIECE_BYTES:
            self._send()
        else:
            threading.Thread(target=self._send_or_fail, name='send_input', daemon=True).start()

    def _send_or_fail(self) -> None:
        try:
            self._send()
        except Exception as error:
            # The worker would wait for the rest for ever.
            self._fail(error)

    def _send(self) -> None:
        for part in self._parts:
            for piece in [part] if isinstance(part, bytes) else part:
                self._stream.write(piece)
                if self._stream.size() >= PIECE_BYTES:
                    self._stream.flush()
        self._parts.clear()
        self._stream.close()


def piecewise(
    output_stream: Callable[[str, str], Any], fail: Callable[[Exception], None]
) -> Callable[[str, str], PiecewiseStream]:
    """Makes of a data channel's `output_stream` one whose streams send in pieces.

    Args:
        output_stream: Beam's.
        fail: is told if something cannot be sent after all.
    """
    return lambda instruction_id, transform_id: PiecewiseStream(output_stream(instruction_id, transform_id), fail)
