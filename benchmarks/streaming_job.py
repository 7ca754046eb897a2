"""A streaming job as the measurements of streams start it, and the files that they feed it."""

from __future__ import annotations

import argparse
import pathlib
import shutil
import subprocess
import sys
import time
from typing import IO


def add_flags(parser: argparse.ArgumentParser, publish_seconds: int) -> None:
    """Adds the flags that say which job, and where it works."""
    parser.add_argument('--publish_seconds', type=int, default=publish_seconds)
    parser.add_argument('--model_dir', required=True)
    parser.add_argument('--work_dir', required=True, type=pathlib.Path)
    parser.add_argument('--output', metavar='FILE', help='RESULTS.md, whose section is written anew')


def make_folders(work_dir: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Empties the folder; returns the one in it to watch, and that for what the job publishes."""
    shutil.rmtree(work_dir, ignore_errors=True)
    watched = work_dir / 'in'
    watched.mkdir(parents=True)
    return watched, work_dir / 'out'


def start(arguments: argparse.Namespace, log: IO[str], *flags: str) -> subprocess.Popen[bytes]:
    """Starts a job on the folders of `make_folders`; files appear there by rename alone."""
    command = [
        *(sys.executable, '-m', 'pipeline.cli', 'score', '--streaming', '--input', str(arguments.work_dir / 'in')),
        *('--model_dir', arguments.model_dir, '--output_dir', str(arguments.work_dir / 'out')),
        *('--publish_seconds', str(arguments.publish_seconds), '--settle_seconds', '0', *flags),
    ]
    return subprocess.Popen(command, stderr=log, stdout=log)


def put(folder: pathlib.Path, name: str, lines: list[str]) -> float:
    """Makes a file appear by rename; returns when."""
    scratch = folder / f'{name}.tmp'
    scratch.write_text(''.join(lines), 'utf-8')
    now = time.time()
    scratch.rename(folder / name)
    return now
