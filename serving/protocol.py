"""HTTP/1.1 for uvicorn: reads whole requests within limits of time and size, and writes whole answers.

The application gets a request when all of it is there. So a client that sends slowly keeps nothing but its own
connection, and an application never waits for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import uvicorn
from uvicorn.server import ServerState

from serving import api
from serving.errors import INTERNAL, RequestError
from serving.http_head import MAX_HEAD_BYTES, Chunks, Head, read_head, too_large

_log = logging.getLogger(__name__)
_MAX_BUFFER_BYTES = 65_536
# What is still read of a request that is refused, and for how long, so that its sender gets to read the answer.
_LINGER_BYTES, _LINGER_SECONDS = 20_000_000, 2.0
_STATUS_LINES = {status: f'HTTP/1.1 {status.value} {status.phrase}\r\n'.encode() for status in HTTPStatus}


class Timeouts:
    """How long a client may take, in seconds."""

    def __init__(self, read: float = 10.0, keep_alive: float = 75.0, write: float = 30.0) -> None:
        """Configures them.

        Args:
            read: to send a request, from its first byte on.
            keep_alive: until it sends the next.
            write: to take an answer.
        """
        self.read, self.keep_alive, self.write = read, keep_alive, write


class Protocol(asyncio.Protocol):
    """One connection."""

    timeouts = Timeouts()
    # Below the 1,024 files that a process may usually have open.
    max_connections = 900
    # Is told the status of each request that the application never saw.
    refused: Callable[[int], None] = staticmethod(lambda status: None)

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Is called by uvicorn for each connection."""
        self._app = config.loaded_app
        self._state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._buffer = bytearray()
        self._searched = 0
        self._head: Head | None = None
        self._chunks: Chunks | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._lingering = 0
        self._deadline = time.monotonic() + self.timeouts.read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._client = transport.get_extra_info('peername')
        self._server = transport.get_extra_info('sockname')
        self._state.connections.add(self)  # type: ignore[arg-type]
        if len(self._state.connections) > self.max_connections:
            self._refuse(
                RequestError(503, 'overloaded', 'Too many connections are open.', headers={'Retry-After': '1'})
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        if self._task:
            # Nobody waits for the answer.
            self._task.cancel()

    def eof_received(self) -> None:
        """Takes the end of what a client sends for the end of the client, as nginx does; the transport closes."""

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._lingering -= len(data)
            if self._lingering <= 0:
                self._transport.abort()
            return
        if not self._buffer and not self._task and not self._head:
            self._deadline = time.monotonic() + self.timeouts.read
        self._buffer += data
        if self._task is None:
            self._read()
        elif len(self._buffer) > _MAX_BUFFER_BYTES:
            self._transport.pause_reading()

    def shutdown(self) -> None:
        """Is called by uvicorn when the server ends: finishes the request that it has, and takes no more."""
        self._closing = True
        if self._task is None and not self._lingering:
            if self._buffer or self._head:
                self._refuse(
                    RequestError(503, 'shutting_down', 'The server ends. Ask again.', headers={'Retry-After': '5'})
                )
            else:
                self._transport.close()

    def pause_writing(self) -> None:
        """Does nothing: an answer is written at once, and is the only one."""

    def resume_writing(self) -> None:
        """Does nothing."""

    def check_time(self, now: float) -> None:
        """Ends the connection if its client has taken too long. To be called now and then."""
        if now < self._deadline or self._task:
            return
        if self._lingering or not (self._buffer or self._head):
            self._transport.abort() if self._transport.get_write_buffer_size() else self._transport.close()
        else:
            self._refuse(
                RequestError(408, 'too_slow', f'The request took longer than {self.timeouts.read:g} s to arrive.')
            )

    def _read(self) -> None:
        """Reads the next request off the buffer, and has it answered if it is all there."""
        try:
            if self._head is None and not self._read_head():
                return
            body = self._read_body()
        except RequestError as error:
            self._refuse(error)
            return
        if body is not None and self._head:
            head, self._head, self._chunks = self._head, None, None
            self._task = self._loop.create_task(self._answer(head, body))
            self._state.tasks.add(self._task)
            self._task.add_done_callback(self._state.tasks.discard)

    def _read_head(self) -> bool:
        if self._buffer.startswith(b'\r\n'):
            del self._buffer[:2]
        end = self._buffer.find(b'\r\n\r\n', max(0, self._searched - 3), MAX_HEAD_BYTES)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise RequestError(
                    431, 'head_too_large', f'The headers are larger than {MAX_HEAD_BYTES:,} bytes. Send fewer.'
                )
            self._searched = len(self._buffer)
            return False
        head = read_head(bytes(self._buffer[:end]))
        if head.length is not None and head.length > api.MAX_BODY_BYTES:
            raise too_large(api.MAX_BODY_BYTES)
        del self._buffer[: end + 4]
        self._searched = 0
        self._head = head
        self._chunks = Chunks(api.MAX_BODY_BYTES) if head.length is None else None
        if head.expects_continue and not self._buffer and head.length != 0:
            self._transport.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        return True

    def _read_body(self) -> bytes | None:
        """Returns the body, if it is all there."""
        if self._chunks:
            return bytes(self._chunks.body) if self._chunks.take(self._buffer) else None
        assert self._head
        length = self._head.length or 0
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    async def _answer(self, head: Head, body: bytes) -> None:
        answer = _Answer()
        try:
            await self._app(self._scope(head), _receive_once(body), answer.send)
        except Exception:
            _log.exception('A request failed.')
        if not answer.complete:
            answer = _Answer.of(RequestError(500, 'internal', INTERNAL))
        keep_alive = head.keep_alive and not self._closing
        self._write(answer, keep_alive, head.method != b'HEAD')
        self._task = None
        if not keep_alive:
            self._close()
            return
        self._deadline = time.monotonic() + (
            self.timeouts.write if self._transport.get_write_buffer_size() else self.timeouts.keep_alive
        )
        self._transport.resume_reading()
        if self._buffer:
            self._deadline = time.monotonic() + self.timeouts.read
            self._read()

    def _scope(self, head: Head) -> dict[str, Any]:
        return {
            'type': 'http',
            'asgi': {'version': '3.0', 'spec_version': '2.4'},
            'http_version': f'1.{head.minor_version}',
            'server': self._server,
            'client': self._client,
            'scheme': 'http',
            'method': head.method.decode(),
            'root_path': '',
            'path': unquote_to_bytes(head.path).decode('utf-8', 'replace') if b'%' in head.path else head.path.decode(),
            'raw_path': head.path,
            'query_string': head.query,
            'headers': head.headers,
            'state': self._app_state.copy(),
        }

    def _write(self, answer: _Answer, keep_alive: bool, with_body: bool = True) -> None:
        parts = [_STATUS_LINES[HTTPStatus(answer.status)]]
        for name, value in (*self._state.default_headers, *answer.headers):
            parts += (name, b': ', value, b'\r\n')
        if not keep_alive:
            parts.append(b'connection: close\r\n')
        parts.append(b'\r\n')
        if with_body:
            parts += answer.body
        self._transport.write(b''.join(parts))

    def _refuse(self, error: RequestError) -> None:
        """Answers what is not even taken, and reads on for a while: who still sends would not see the answer."""
        self.refused(error.status)
        self._write(_Answer.of(error), keep_alive=False)
        self._buffer.clear()
        self._head = self._chunks = None
        self._closing = True
        self._lingering = _LINGER_BYTES
        self._deadline = time.monotonic() + _LINGER_SECONDS
        # Its sender may have got the answer by now, and hung up.
        with contextlib.suppress(OSError):
            self._transport.write_eof()

    def _close(self) -> None:
        self._deadline = time.monotonic() + self.timeouts.write
        self._lingering = 1
        self._transport.close()


class _Answer:
    """What the application answers."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.complete = False

    @classmethod
    def of(cls, error: RequestError) -> _Answer:
        answer = cls()
        body = api.to_json(error.body)
        answer.status = error.status
        answer.headers = [
            (b'content-type', b'application/json'),
            (b'content-length', str(len(body)).encode()),
            (b'cache-control', b'no-store'),
            *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
        ]
        answer.body = [body]
        answer.complete = True
        return answer

    async def send(self, message: Any) -> None:
        if message['type'] == 'http.response.start':
            self.status = message['status']
            self.headers = list(message['headers'])
        else:
            self.body.append(message.get('body', b''))
            self.complete = not message.get('more_body', False)
            if self.complete and not any(name == b'content-length' for name, _ in self.headers):
                self.headers.append((b'content-length', str(sum(map(len, self.body))).encode()))


def _receive_once(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    messages = [{'type': 'http.request', 'body': body, 'more_body': False}]

    async def receive() -> dict[str, Any]:
        # When the client hangs up, the task is cancelled.
        return messages.pop() if messages else await asyncio.get_running_loop().create_future()

    return receive
