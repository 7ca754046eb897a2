"""Several processes that listen at one port, each with a model and threads of its own, and the one that minds them.

A process of Python keeps one or two cores busy. Connections come to whichever process is free to take them.
"""

from __future__ import annotations

import functools
import logging
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from typing import Any

from schemas.errors import how_ended

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.05
# From the end of a process to the start of the one that takes its place.
_PAUSE_SECONDS = 1.0
# Where prometheus_client has the processes of a server write their counts, so that each can tell those of all.
METRICS_VARIABLE = 'PROMETHEUS_MULTIPROC_DIR'


def fork_workers(number: int, announce: Callable[[], None]) -> Callable[[], None] | None:
    """Starts processes, and minds them until they are told to end: one that dies is replaced.

    The first starts alone: what is wrong with the model is said once. To be called before there are threads.

    Args:
        number: of processes.
        announce: is called when all are ready.

    Returns:
        In each process what it calls when it is ready; None in this one, when all have ended.

    Raises:
        SystemExit: in this process, if the first cannot start; it has said why.
    """
    # Libraries are silenced; this is the server itself.
    _log.setLevel(logging.WARNING)
    minder = _Minder(number, announce)
    folder = tempfile.mkdtemp(prefix='arxiv-tagger-')
    os.environ[METRICS_VARIABLE] = folder
    try:
        return minder.run()
    finally:
        if os.getpid() == minder.pid:
            shutil.rmtree(folder, ignore_errors=True)


def _tell(pipe: int) -> None:
    os.write(pipe, b'.')
    os.close(pipe)


class _Minder:
    def __init__(self, number: int, announce: Callable[[], None]) -> None:
        self._number, self._announce = number, announce
        self.pid = os.getpid()
        self._ending = False
        self._exit_code = 0
        # By process: the pipe that tells when it is ready; None, when it is.
        self._processes: dict[int, int | None] = {}
        self._start_at = 0.0

    def run(self) -> Callable[[], None] | None:
        before = {one: signal.signal(one, self._end) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._mind()
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _mind(self) -> Callable[[], None] | None:
        announced = told = False
        while self._processes or not self._ending:
            if self._ending and not told:
                told = True
                for pid in self._processes:
                    os.kill(pid, signal.SIGTERM)
            if not self._ending and len(self._processes) < self._wanted() and time.monotonic() >= self._start_at:
                ready = self._fork()
                if ready:
                    return ready
            self._see_who_is_ready()
            if not announced and len(self._ready()) == self._number:
                announced = True
                self._announce()
            self._see_who_has_ended()
        if self._exit_code:
            raise SystemExit(self._exit_code)
        return None

    def _ready(self) -> list[int]:
        return [pid for pid, pipe in self._processes.items() if pipe is None]

    def _wanted(self) -> int:
        return self._number if self._ready() else 1

    def _fork(self) -> Callable[[], None] | None:
        reads, writes = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writes)
            self._processes[pid] = reads
            return None
        os.close(reads)
        return functools.partial(_tell, writes)

    def _see_who_is_ready(self) -> None:
        pipes = {pipe: pid for pid, pipe in self._processes.items() if pipe is not None}
        for pipe in select.select(list(pipes), [], [], _LOOK_SECONDS)[0]:
            if os.read(pipe, 1):
                self._processes[pipes[pipe]] = None
                os.close(pipe)
            else:
                # It is about to end.
                time.sleep(_LOOK_SECONDS)

    def _see_who_has_ended(self) -> None:
        for pid in list(self._processes):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            pipe = self._processes.pop(pid)
            if pipe is not None:
                os.close(pipe)
            if self._ending:
                continue
            code = os.waitstatus_to_exitcode(status)
            if pipe is not None and not self._ready():
                self._ending = True
                self._exit_code = code if code > 0 else 1
                continue
            _log.warning('A process of the server has ended (%s); another takes its place.', how_ended(code))
            self._start_at = time.monotonic() + _PAUSE_SECONDS

    def _end(self, *_: Any) -> None:
        if os.getpid() != self.pid:
            # Of a process that has not yet its own handler.
            raise SystemExit(0)
        # No more: it may have come between a fork and the note of it.
        self._ending = True
