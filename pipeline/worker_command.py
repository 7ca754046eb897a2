"""The command that a TaskManager starts for each worker: `arxiv-tagger-worker --id=... --provision_endpoint=...`.

Where ARXIV_TAGGER_WORKER_POOL names the socket of a pool, the worker is forked there, in milliseconds, and this
process only stands for it; else this process becomes the worker, which takes the ten seconds of TensorFlow's imports.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence

POOL_VARIABLE = 'ARXIV_TAGGER_WORKER_POOL'
# What a worker says last, if it ends well.
WELL = b'.'
_LOOK_SECONDS = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a worker to its end. Returns 0 if it ended well."""
    parser = argparse.ArgumentParser(prog='arxiv-tagger-worker', description='Is a worker of a portable Beam runner.')
    parser.add_argument('--id', required=True, help='by which the runner knows the worker')
    parser.add_argument('--provision_endpoint', required=True, help='where the runner tells the rest')
    # Runners tell the same again in further flags.
    arguments, _ = parser.parse_known_args(argv)
    pool = os.environ.get(POOL_VARIABLE)
    if not pool:
        from pipeline.worker_boot import boot

        boot(arguments.id, arguments.provision_endpoint)
        return 0
    try:
        return stand_for(pool, arguments.id, arguments.provision_endpoint)
    except OSError as error:
        print(f'arxiv-tagger-worker: no worker pool answers at {pool}: {error.strerror or error}', file=sys.stderr)
        return 1


def stand_for(pool: str, worker_id: str, provision_endpoint: str) -> int:
    """Has a worker forked, and ends when it does; the worker ends when this process does.

    Args:
        pool: path of the pool's socket.
        worker_id: by which the runner knows the worker.
        provision_endpoint: where the runner tells the rest.

    Raises:
        OSError: if there is no pool.
    """
    # Else Python would end with a traceback at the usual way to end a process.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    runner = os.getppid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(pool)
        connection.sendall(json.dumps([worker_id, provision_endpoint]).encode() + b'\n')
        # A killed runner cannot end what it has started.
        while os.getppid() == runner:
            if select.select([connection], [], [], _LOOK_SECONDS)[0]:
                return 0 if connection.recv(1) == WELL else 1
    return 1
