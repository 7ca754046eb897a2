"""Runs the web application until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

import uvicorn

from pipeline.watched_model import Watcher
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
# From one look at connections that have timed out to the next.
_CHECK_SECONDS = 0.2
# For what was taken when the server was told to end.
_FINISH_SECONDS = 30
# Two threads take turns, the one that talks HTTP and the one that calls the model. By default each would keep the
# other waiting for 5 ms, which is as long as the model takes for 30 papers.
_SWITCH_SECONDS = 0.0005


def run(config: ServeConfig, listener: socket.socket, ready: Callable[[], None], parent: int | None) -> None:
    """Serves until SIGTERM or SIGINT, or until the process that minds this one is gone.

    Args:
        config: how.
        listener: what `listener.listen` returned.
        ready: is called when requests are answered.
        parent: the process that minds this one, if there is one.

    Raises:
        JobError: if there is no model that can be used.
    """
    # Libraries are silenced; this is the server itself.
    logging.getLogger('serving').setLevel(logging.INFO if config.verbose else logging.WARNING)
    watcher = Watcher(config.model_dir, poll_seconds=config.poll_seconds)
    service = Service(watcher, config.model_dir, config.queue_papers)
    Protocol.timeouts = Timeouts(read=config.read_seconds)
    Protocol.refused = staticmethod(service.metrics.refused)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        _Server(service, ready, parent).run([listener])
    finally:
        service.stop()


class _Server(uvicorn.Server):
    """uvicorn, which says when it is ready, and ends as one that was told to."""

    def __init__(self, service: Service, ready: Callable[[], None], parent: int | None) -> None:
        super().__init__(
            uvicorn.Config(
                Front(make_app(service), service),
                http=Protocol,
                ws='none',
                proxy_headers=False,
                log_config=None,
                headers=HEADERS,
                server_header=False,
                timeout_graceful_shutdown=_FINISH_SECONDS,
            )
        )
        self._service, self._ready, self._parent = service, ready, parent

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._check_times()
        self._ready()

    def _check_times(self) -> None:
        if self._parent not in (None, os.getppid()):
            self.should_exit = True
        now, loop = time.monotonic(), asyncio.get_running_loop()
        for connection in self.server_state.connections:
            # Each in a call of its own: should one fail, the others keep their limits.
            loop.call_soon(connection.check_time, now)  # type: ignore[union-attr]
        loop.call_later(_CHECK_SECONDS, self._check_times)

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
