"""Forks workers for portable runners from a process that has imported all: `python -m pipeline.worker_pool SOCKET`.

Flink starts a Python worker for a stage and ends it with the stage. TensorFlow's imports would take most of the time.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback

from pipeline import quiet
from pipeline.worker_command import WELL

_BACKLOG = 64


def serve(path: str) -> None:
    """Listens at a socket's path, and forks a worker for each that asks, for ever.

    The socket appears when all is imported. Whoever may open it can run workers here: its folder should be private.

    Raises:
        OSError: if it cannot listen there.
    """
    # Imports, without starting a thread: only then can the process be forked.
    importlib.import_module('pipeline.preloaded')
    # Nobody waits for those that have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        scratch = f'{path}.{os.getpid()}'
        listener.bind(scratch)
        listener.listen(_BACKLOG)
        os.replace(scratch, path)
        while True:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _work(connection)


def _work(connection: socket.socket) -> None:
    """Is a worker until it is done, or until nobody stands for it any more; never returns."""
    well = False
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        worker_id, provision_endpoint = json.loads(connection.makefile().readline())
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        from pipeline.worker_boot import boot

        boot(worker_id, provision_endpoint)
        well = True
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            if well:
                connection.sendall(WELL)
        sys.stderr.flush()
        # Leaving Python in good order takes TensorFlow a second.
        os._exit(0 if well else 1)


def _end_with(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.recv(1)
    os._exit(1)


if __name__ == '__main__':
    quiet.set_up(verbose=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.argv[1])
