"""Starts processes in milliseconds: they are forked from one that has imported what takes seconds.

The fork server is a process of its own, begun as early as possible, so that it imports on one core what the launcher
imports on another. It runs one thread, and neither gRPC nor TensorFlow's runtime, and can therefore be forked.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from multiprocessing import util
from multiprocessing.context import ForkServerProcess
from typing import Any

_CONTEXT = multiprocessing.get_context('forkserver')
_PRELOADED = 'pipeline.preloaded'
pipe = _CONTEXT.Pipe


def start() -> None:
    """Starts the fork server, unless it runs; returns at once, while it imports.

    It ends when this process and all that were forked have ended, however they end.

    Raises:
        OSError: if the machine does not let it.
    """
    _CONTEXT.set_forkserver_preload([_PRELOADED])
    # Ctrl-C reaches all processes of a terminal, and is for the launcher alone: what is blocked here stays so in the
    # server and its children.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        with _same_imports():
            multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop() -> None:
    """Ends all processes that were started and removes their files; for when Python is not left properly."""
    for process in multiprocessing.active_children():
        process.kill()
    util._run_finalizers()  # type: ignore[attr-defined]


def start_process(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Runs a function in a process forked from the server, which is started first if need be.

    Args:
        target: a function of a module, found there by its name.
        arguments: what it is called with; pickled.
    """
    start()
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)
    with _no_main_module():
        process.start()
    return process


@contextlib.contextmanager
def _same_imports() -> Iterator[None]:
    """Makes a Python that is started find the modules that this one does, and no others."""
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    # Without PYTHONSAFEPATH, a file like random.py in the working folder would come first.
    changed = {'PYTHONPATH': path, 'PYTHONSAFEPATH': '1'}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keeps multiprocessing from running the launcher's script once more in each process.

    Beam's pickles carry what they need of the script; and a script that does not ask for its own name would launch
    another job.
    """
    main = sys.modules['__main__']
    sys.modules['__main__'] = types.ModuleType('__main__')
    try:
        yield
    finally:
        sys.modules['__main__'] = main
