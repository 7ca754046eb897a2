"""Runs a program and watches it with all of its children: wall and processor time, and memory over time.

Linux only: it reads /proc. Imports nothing that is not in Python.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

_TICKS = os.sysconf('SC_CLK_TCK')
_PAGE = os.sysconf('SC_PAGE_SIZE')
_INTERVAL = 0.1
# Asking for a process's proportional share walks its page tables: no more than this share of a core goes into asking.
_LARGEST_SHARE = 0.05


@dataclasses.dataclass(frozen=True)
class TreeUsage:
    """What a program and its children took.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: of all of their threads.
        peak_pss: largest sum of their proportional sets, in bytes: a page that n processes share counts 1/n in each,
            so this is the memory in use.
        peak_rss: largest sum of their resident sets: a shared page counts in each process anew.
        processes: most of them at a time.
        curve: (seconds since the start, sum of proportional sets) of each sample.
        load_before: processes that were running or waiting, over the minute before the start.
        said: (seconds since the start, line) of what it printed, as far as it was seen in time.
    """

    seconds: float
    cpu_seconds: float
    peak_pss: int
    peak_rss: int
    processes: int
    curve: list[tuple[float, int]]
    load_before: float
    said: list[tuple[float, str]] = dataclasses.field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as JSON has them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TreeUsage:
        """Returns the figures again."""
        pairs = {name: [(seconds, what) for seconds, what in stored.get(name, ())] for name in ('curve', 'said')}
        return cls(**{**stored, **pairs})

    def thinned(self, points: int) -> list[tuple[float, int]]:
        """Returns the curve with `points` points at most: the largest of equal stretches, at their middle."""
        width = self.seconds / points
        largest: dict[int, int] = {}
        for seconds, size in self.curve:
            stretch = min(int(seconds / width), points - 1)
            largest[stretch] = max(largest.get(stretch, 0), size)
        return [((stretch + 0.5) * width, size) for stretch, size in sorted(largest.items())]


def measure(command: Sequence[str], log: pathlib.Path, interval: float = _INTERVAL, *, gpus: bool = False) -> TreeUsage:
    """Runs a program to its end.

    Args:
        command: the program, which inherits the environment; TensorFlow is kept quiet.
        log: file for what it prints.
        interval: seconds between samples; longer where taking one takes long.
        gpus: whether the program may use GPUs.

    Raises:
        SystemExit: if it failed, with the end of what it printed.
    """
    load = os.getloadavg()[0]
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', **({} if gpus else {'CUDA_VISIBLE_DEVICES': '-1'})}
    with log.open('wb') as printed:
        started = time.perf_counter()
        # A session of its own: its processes are told by that, even where their parent is gone.
        process = subprocess.Popen(
            command, env=environment, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
        )
        watch = _Watch(process.pid, started, interval, log)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        finally:
            watch.stop()
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = log.read_text('utf-8', 'replace')[-2000:]
        raise SystemExit(f'benchmarks: exit code {process.returncode} of: {" ".join(command)}\n{end}')
    # What the parent waited for it counts exactly; a child that nobody waited for is in the samples only.
    cpu = max(usage.ru_utime + usage.ru_stime, watch.cpu_seconds())
    peaks = (watch.peak_pss, watch.peak_rss, watch.processes)
    return TreeUsage(seconds, cpu, *peaks, watch.curve, load, watch.said)


class Usage(NamedTuple):
    """What a process and those that descend from it have taken so far: seconds of processor time, resident bytes."""

    cpu_seconds: float
    rss: int


def usage_of(pid: int) -> Usage:
    """Returns what a process has taken, with its descendants; nothing, if it has ended."""
    stats = _stats()
    members = [stats[member] for member in _with_descendants({pid} & stats.keys(), stats)]
    return Usage(sum(stat.cpu_ticks for stat in members) / _TICKS, sum(stat.rss for stat in members))


class _Watch(threading.Thread):
    """Samples a session and all that descends from its processes."""

    def __init__(self, session: int, started: float, interval: float, log: pathlib.Path) -> None:
        super().__init__(daemon=True)
        self._log = log
        self._session = session
        self._began = started
        self._interval = interval
        self._stopped = threading.Event()
        # Process and when it was started -> processor time, in ticks.
        self._cpu: dict[tuple[int, int], int] = {}
        self.curve: list[tuple[float, int]] = []
        self.said: list[tuple[float, str]] = []
        self.peak_pss = self.peak_rss = self.processes = 0

    def run(self) -> None:
        """Samples until stopped."""
        wait = 0.0
        with self._log.open(encoding='utf-8', errors='replace') as log:
            while not self._stopped.wait(wait):
                began = time.perf_counter()
                spent = time.thread_time()
                self._sample(began - self._began)
                self.said += [(round(began - self._began, 2), line) for line in log.read().splitlines()]
                wait = max(self._interval, (time.thread_time() - spent) / _LARGEST_SHARE)

    def stop(self) -> None:
        """Takes no more samples."""
        self._stopped.set()
        self.join()

    def cpu_seconds(self) -> float:
        """Returns what the processes had taken when they were last seen."""
        return sum(self._cpu.values()) / _TICKS

    def _sample(self, seconds: float) -> None:
        pss = rss = 0
        found = _members(self._session)
        for pid, stat in found.items():
            self._cpu[pid, stat.started] = stat.cpu_ticks
            rss += stat.rss
            pss += _proportional_set(pid, stat.rss)
        self.curve.append((round(seconds, 2), pss))
        self.peak_pss, self.peak_rss = max(self.peak_pss, pss), max(self.peak_rss, rss)
        self.processes = max(self.processes, len(found))


@dataclasses.dataclass(frozen=True)
class _Stat:
    parent: int
    session: int
    cpu_ticks: int
    started: int
    rss: int


def _members(session: int) -> dict[int, _Stat]:
    """Returns the processes of a session, and those that descend from them though they began a session of their own."""
    stats = _stats()
    members = {pid for pid, stat in stats.items() if stat.session == session}
    return {pid: stats[pid] for pid in _with_descendants(members, stats)}


def _stats() -> dict[int, _Stat]:
    return {int(name): stat for name in os.listdir('/proc') if name.isdigit() and (stat := _stat(name))}


def _with_descendants(pids: Set[int], stats: Mapping[int, _Stat]) -> set[int]:
    members, added = set(pids), set(pids)
    while added:
        added = {pid for pid, stat in stats.items() if stat.parent in members and pid not in members}
        members |= added
    return members


def _stat(pid: str) -> _Stat | None:
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
            # The name of the program stands in parentheses, and may hold anything.
            fields = file.read().rpartition(')')[2].split()
    except OSError:
        return None
    # Numbered from the third field on: proc(5).
    parent, session, user, system, started, pages = (int(fields[number - 3]) for number in (4, 6, 14, 15, 22, 24))
    return _Stat(parent, session, user + system, started, pages * _PAGE)


def _proportional_set(pid: int, rss: int) -> int:
    """Returns a process's proportional set; its resident set if the kernel does not tell; 0 if it is gone."""
    try:
        with open(f'/proc/{pid}/smaps_rollup', encoding='utf-8') as file:
            for line in file:
                if line.startswith('Pss:'):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        return 0 if not os.path.exists(f'/proc/{pid}') else rss
    except PermissionError:
        return rss
    return 0
