"""What a measurement ran on: the machine, the versions, and how to run a program and see what it took."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import time
from collections.abc import Sequence

_PACKAGES = ('tensorflow', 'keras', 'tensorflow-transform', 'apache-beam', 'scikit-learn', 'numpy')


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a program took.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: of all its threads and children.
        peak_bytes: largest resident set of any one of its processes.
        load_before: processes that were running or waiting, over the minute before it started.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    load_before: float


def run(command: Sequence[str]) -> Usage:
    """Runs a program to its end.

    The peak of a process counts from before it was started: it is at least the memory of this one. Whatever calls this
    imports neither TensorFlow nor Beam.

    Raises:
        SystemExit: with its exit code, if it failed.
    """
    load = os.getloadavg()[0]
    started = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': '-1'})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f'benchmarks: exit code {process.returncode} of: {" ".join(command)}')
    seconds = time.perf_counter() - started
    # Linux counts ru_maxrss in KiB.
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, load)


def machine() -> str:
    """Describes the machine: cores, processor, memory."""
    model = _value_in('/proc/cpuinfo', 'model name') or platform.processor() or platform.machine()
    memory = int(_value_in('/proc/meminfo', 'MemTotal').split()[0]) * 1024
    return f'{len(os.sched_getaffinity(0))} cores of {model}, {memory / 1e9:.0f} GB of memory, no GPU used'


def versions() -> str:
    """Lists the versions of Python and of the packages that matter here."""
    packages = (f'{package} {importlib.metadata.version(package)}' for package in _PACKAGES)
    return f'Python {platform.python_version()}, ' + ', '.join(packages)


def _value_in(path: str, key: str) -> str:
    for line in pathlib.Path(path).read_text('utf-8').splitlines():
        name, _, value = line.partition(':')
        if name.strip() == key:
            return value.strip()
    return ''
