"""Runs the web application until it is told to end."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import time
from collections.abc import Iterator

import uvicorn

from pipeline.watched_model import Watcher
from schemas.errors import JobError
from serving.app import make_app
from serving.flags import ServeConfig
from serving.front import Front
from serving.protocol import Protocol, Timeouts
from serving.service import Service

HEADERS = [
    (
        'content-security-policy',
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ('x-content-type-options', 'nosniff'),
    ('referrer-policy', 'no-referrer'),
    ('cross-origin-opener-policy', 'same-origin'),
]
# For what was taken when the server was told to end.
_FINISH_SECONDS = 30
# Two threads take turns, the one that talks HTTP and the one that calls the model. By default each would keep the
# other waiting for 5 ms, which is as long as the model takes for 30 papers.
_SWITCH_SECONDS = 0.0005


def run(config: ServeConfig) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        JobError: if the port is in use, or there is no model that can be used.
    """
    with contextlib.closing(_bind(config)) as listener:
        service = Service(
            Watcher(config.model_dir, poll_seconds=config.poll_seconds), config.model_dir, config.queue_papers
        )
        Protocol.timeouts = Timeouts(read=config.read_seconds)
        sys.setswitchinterval(_SWITCH_SECONDS)
        server = _Server(service, f'http://{_in_url(config.host)}:{listener.getsockname()[1]}')
        try:
            server.run([listener])
        finally:
            service.stop()


class _Server(uvicorn.Server):
    """uvicorn, which says where it listens, and ends as one that was told to."""

    def __init__(self, service: Service, address: str) -> None:
        super().__init__(
            uvicorn.Config(
                Front(make_app(service), service),
                http=Protocol,
                ws='none',
                log_config=None,
                headers=HEADERS,
                server_header=False,
                timeout_graceful_shutdown=_FINISH_SECONDS,
            )
        )
        self._service, self._address = service, address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._address, flush=True)

    async def on_tick(self, counter: int) -> bool:
        now = time.monotonic()
        for connection in list(self.server_state.connections):
            connection.check_time(now)  # type: ignore[union-attr]
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.ready = False
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again when all is done; then the process would not end with 0.
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _bind(config: ServeConfig) -> socket.socket:
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Nobody else shall have it while the model loads.
        listener.listen()
    except OSError as error:
        if listener:
            listener.close()
        raise JobError(
            f'Cannot listen at --host {config.host} --port {config.port}: {error.strerror}. Choose another.'
        ) from error
    return listener


def _in_url(host: str) -> str:
    return f'[{host}]' if ':' in host else host
