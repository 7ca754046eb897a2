"""What a measurement ran on: the machine and the versions."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import time

_PACKAGES = ('tensorflow', 'keras', 'tensorflow-transform', 'apache-beam', 'scikit-learn', 'numpy')


def machine() -> str:
    """Describes the machine: cores, processor, memory."""
    model = _value_in('/proc/cpuinfo', 'model name') or platform.processor() or platform.machine()
    memory = int(_value_in('/proc/meminfo', 'MemTotal').split()[0]) * 1024
    return f'{len(os.sched_getaffinity(0))} cores of {model}, {memory / 1e9:.0f} GB of memory, no GPU used'


def versions() -> str:
    """Lists the versions of Python and of the packages that matter here."""
    packages = (f'{package} {importlib.metadata.version(package)}' for package in _PACKAGES)
    return f'Python {platform.python_version()}, ' + ', '.join(packages)


def process_age() -> float:
    """Returns the seconds since this process was started."""
    fields = pathlib.Path('/proc/self/stat').read_text('utf-8').rpartition(')')[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf('SC_CLK_TCK')


def _value_in(path: str, key: str) -> str:
    for line in pathlib.Path(path).read_text('utf-8').splitlines():
        name, _, value = line.partition(':')
        if name.strip() == key:
            return value.strip()
    return ''
