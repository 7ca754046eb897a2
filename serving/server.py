"""Runs the web application until it is told to end."""

from __future__ import annotations

import socket

import uvicorn

from pipeline.models import NewestModel
from schemas.errors import JobError
from serving.app import make_app
from serving.flags import ServeConfig


def run(config: ServeConfig) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        JobError: if the port is in use, or there is no model that can be used.
    """
    listener = _bind(config)
    models = NewestModel(config.model_dir, poll_seconds=config.poll_seconds)
    server = _Server(
        uvicorn.Config(
            make_app(models.open(), config.model_dir), log_config=None, access_log=config.verbose, ws='none'
        ),
        f'http://{_address(config.host)}:{listener.getsockname()[1]}',
    )
    server.run([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._address, flush=True)


def _bind(config: ServeConfig) -> socket.socket:
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise JobError(
            f'Cannot listen at --host {config.host} --port {config.port}: {error.strerror}. Choose another.'
        ) from error
    return listener


def _address(host: str) -> str:
    return f'[{host}]' if ':' in host else host
