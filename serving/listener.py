"""The port that the server listens at."""

from __future__ import annotations

import socket

from schemas.errors import JobError


def listen(host: str, port: int) -> socket.socket:
    """Takes the port. Clients that connect before the model is loaded wait for it.

    Raises:
        JobError: if it is in use, or cannot be had.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Nobody else shall have it while the model loads.
        listener.listen()
    except OSError as error:
        if listener:
            listener.close()
        raise JobError(f'Cannot listen at --host {host} --port {port}: {error.strerror}. Choose another.') from error
    return listener


def url(host: str, listener: socket.socket) -> str:
    """Returns the address of the page."""
    return f'http://{f"[{host}]" if ":" in host else host}:{listener.getsockname()[1]}'
