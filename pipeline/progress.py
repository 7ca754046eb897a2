"""Shows on standard error that a job lives, and where it stands.

On a terminal one line is rewritten; elsewhere (a log file) a line appears now and then.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TextIO

_RUNNER_LOG = 'apache_beam.runners.portability.fn_api_runner.fn_runner.run_bundle'
_STEP = re.compile(r'ref_AppliedPTransform_([\w\[\]]+)')
_TERMINAL_SECONDS, _LOG_SECONDS, _FORWARD_SECONDS = 0.25, 10.0, 0.25

# What workers in this process have handled so far. Only a display: no result depends on it.
_handled: dict[str, int] = {}
_lock = threading.Lock()


def count(what: str, number: int) -> None:
    """Tells the display that `number` more of `what` are done; without a display in this process, nothing happens."""
    with _lock:
        _handled[what] = _handled.get(what, 0) + number


@contextlib.contextmanager
def forwarded(send: Callable[[dict[str, int]], None]) -> Iterator[None]:
    """A context in which what is counted in this process is told, a few times a second, to the one with the display.

    Args:
        send: takes what was counted since it was called last, never nothing; called from one thread at a time.
    """
    done = threading.Event()
    _handled.clear()

    def send_counted() -> None:
        with _lock:
            counted = _handled.copy()
            _handled.clear()
        # That nobody listens any more is no reason to fail.
        with contextlib.suppress(OSError):
            if counted:
                send(counted)

    def send_repeatedly() -> None:
        while not done.wait(_FORWARD_SECONDS):
            send_counted()

    thread = threading.Thread(target=send_repeatedly, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        send_counted()


class Progress(logging.Handler):
    """A context in which a job's progress is shown.

    It listens to Beam's local runner, which tells the stage it begins; runners elsewhere have displays of their
    own, and of them only the name and the time are shown.

    Args:
        command: what runs.
        runner: name of the runner, if the job runs elsewhere.
        stream: where it is shown; standard error by default.
    """

    def __init__(self, command: str, runner: str = '', stream: TextIO | None = None) -> None:
        super().__init__(logging.DEBUG)
        self._command = command
        self._runner = runner
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._stage = ''
        self._stages = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._runner_log = logging.getLogger(_RUNNER_LOG)

    def emit(self, record: logging.LogRecord) -> None:
        """Notes the stage that the runner begins."""
        if isinstance(record.args, tuple) and str(record.msg).startswith('Running bundle') and record.args:
            steps = [step for step in _STEP.findall(str(record.args[0])) if not step.startswith('_')]
            self._stage = steps[0] if steps else self._stage
            self._stages += 1

    def __enter__(self) -> Progress:
        _handled.clear()
        self._begin = time.monotonic()
        self._runner_log.addHandler(self)
        self._runner_log.setLevel(logging.DEBUG)
        self._runner_log.propagate = False
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner_log.removeHandler(self)
        self._done.set()
        self._thread.join()
        if self._live:
            self._stream.write('\r\x1b[K')
            self._stream.flush()

    def line(self) -> str:
        """Returns what is shown: the command, seconds, step, and what was handled."""
        seconds = time.monotonic() - self._begin
        handled = ''.join(f', {number:,} {what}' for what, number in _handled.copy().items())
        idle = f'on {self._runner}' if self._runner else 'starting'
        step = f'step {self._stages}: {self._stage}' if self._stages else idle
        return f'{self._command}  {seconds:4.0f} s  {step}{handled}'

    def _show(self) -> None:
        while not self._done.wait(_TERMINAL_SECONDS if self._live else _LOG_SECONDS):
            self._stream.write(f'\r\x1b[K{self.line()[:150]}' if self._live else f'{self.line()}\n')
            self._stream.flush()
