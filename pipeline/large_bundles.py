"""Lets Beam's local runner send a worker process more than two gigabytes.

Beam sends a worker all of its share of a stage in one message, which may not be longer. Here it is sent in pieces.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from apache_beam.coders.coder_impl import create_OutputStream
from apache_beam.runners.portability.fn_api_runner import execution
from apache_beam.transforms.window import GlobalWindow, GlobalWindows
from apache_beam.utils.windowed_value import PaneInfo, PaneInfoTiming

PIECE_BYTES = 8 << 20
_PANE = PaneInfo(is_first=True, is_last=True, timing=PaneInfoTiming.ON_TIME, index=0, nonspeculative_index=0)


class GroupingBuffer(execution.GroupingBuffer):
    """Groups values by key, as Beam's does, and gives the groups in pieces; frees what it has given."""

    def partition(self, n: int) -> list[list[bytes]]:
        """Returns `n` lists of pieces, each of whole groups."""
        if self._grouped_output or not self._windowing.is_default():
            return super().partition(n)
        in_window = GlobalWindows.windowed_value(
            None, timestamp=GlobalWindow().max_timestamp(), pane_info=_PANE
        ).with_value
        coder, key_coder = self._post_grouped_coder.get_impl(), self._key_coder.get_impl()
        pieces: list[list[bytes]] = [[] for _ in range(n)]
        streams = [create_OutputStream() for _ in range(n)]
        for number, encoded_key in enumerate(list(self._table)):
            to = number % n
            group = (key_coder.decode(encoded_key), self._table.pop(encoded_key))
            coder.encode_to_stream(in_window(group), streams[to], True)
            if streams[to].size() >= PIECE_BYTES:
                pieces[to].append(streams[to].get())
                streams[to] = create_OutputStream()
        for to, stream in enumerate(streams):
            pieces[to].append(stream.get())
        self._grouped_output = pieces
        return pieces


class PiecewiseStream:
    """What the runner writes a worker's input to: sends it in pieces once it is complete.

    Beam writes all of the input, and only then asks the worker to read it. A worker takes no more than some messages
    before that, so that the rest has to be sent by another thread.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        """Takes a piece, of whole elements."""
        self._pieces.append(piece)

    def close(self) -> None:
        """Sends what was written; returns at once."""
        if sum(map(len, self._pieces)) <= PIECE_BYTES:
            self._send()
        else:
            threading.Thread(target=self._send, name='send_input', daemon=True).start()

    def _send(self) -> None:
        for piece in self._pieces:
            self._stream.write(piece)
            if self._stream.size() >= PIECE_BYTES:
                self._stream.flush()
        self._pieces.clear()
        self._stream.close()


def piecewise(output_stream: Callable[[str, str], Any]) -> Callable[[str, str], PiecewiseStream]:
    """Makes of a data channel's `output_stream` one whose streams send in pieces."""
    return lambda instruction_id, transform_id: PiecewiseStream(output_stream(instruction_id, transform_id))
