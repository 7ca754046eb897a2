"""Replays dated papers as a stream, a file a day, into `score --streaming`, kills the job in the midst, and counts.

Each day's papers appear by rename. In the midst the job is killed with SIGKILL and started again; in the end every
record must have come out once, tagged or as a dead letter, and every file must be done once.

    python benchmarks/replay.py --input 'arxiv-2025-2026/*.jsonl.zst' --model_dir model --work_dir build/bench/replay
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import glob
import io
import json
import pathlib
import signal
import sys
import time
from typing import Any

import streaming_job
import zstandard
from machine import machine
from process_tree import usage_of
from sections import table, write_section


def main() -> int:
    """Reads the flags, replays, and prints the figures; returns 1 if a record was lost or came out twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument(
        '--input', required=True, metavar='PATTERN', help='JSON Lines in .zst with the key of --day_key'
    )
    parser.add_argument('--day_key', default='harvested')
    parser.add_argument('--first_day', default='2025-03-01')
    parser.add_argument('--days', type=int, default=100, help='days that have papers, from --first_day on')
    parser.add_argument('--every', type=float, default=1.0, metavar='SECONDS', help='from one file to the next')
    parser.add_argument('--kills', type=int, default=1, help='how often the job is killed')
    streaming_job.add_flags(parser, publish_seconds=5)
    arguments = parser.parse_args()
    figures = replay(arguments)
    print(json.dumps(figures, indent=2))
    if arguments.output:
        write_section(arguments.output, 'replay', section(figures))
    return int(bool(figures['lost'] or figures['twice'] or figures['files'] != figures['files_done_once']))


def replay(arguments: argparse.Namespace) -> dict[str, Any]:
    """Replays the days and returns the figures."""
    days = papers_by_day(arguments.input, arguments.day_key, arguments.first_day, arguments.days)
    watched, output = streaming_job.make_folders(arguments.work_dir)
    begin, peak, job = time.monotonic(), 0, None
    kill_at = {len(days) * (number + 1) // (arguments.kills + 1) for number in range(arguments.kills)}
    staged_when_killed = 0
    with contextlib.closing((arguments.work_dir / 'log').open('a')) as log:
        for number, (day, lines) in enumerate(sorted(days.items())):
            if number in kill_at and job:
                job.send_signal(signal.SIGKILL)
                job.wait()
                staged_when_killed += sum(len(list(path.iterdir())) for path in output.glob('.staging-*'))
                job = None
            if job is None:
                # Ending when idle is for the end: until then there is always more to come.
                job = streaming_job.start(arguments, log, '--poll_seconds', '0.5', '--stop_when_idle', '5')
            streaming_job.put(watched, f'{day}.jsonl', lines)
            peak = max(peak, usage_of(job.pid).rss)
            time.sleep(arguments.every)
        while job and job.poll() is None:
            peak = max(peak, usage_of(job.pid).rss)
            time.sleep(0.5)
    return {
        **count(days, output),
        'every': arguments.every,
        'kills': len(kill_at),
        'staged_files_when_killed': staged_when_killed,
        'exit_code': job.returncode if job else None,
        'seconds': round(time.monotonic() - begin, 1),
        'peak_memory_mb': peak >> 20,
    }


def section(figures: dict[str, Any]) -> str:
    """Returns the section of RESULTS.md."""
    cells = {
        'records': f'{figures["records"]:,}',
        'tagged': f'{figures["tagged"]:,}',
        'rejected': f'{figures["rejected"]:,}',
        'lost': figures['lost'],
        'twice': figures['twice'],
        'files done once': f'{figures["files_done_once"]} of {figures["files"]}',
        'windows': figures['windows'],
        'seconds': figures['seconds'],
        'peak memory': f'{figures["peak_memory_mb"]} MB',
    }
    return f"""## Streaming: a replay with kills

{figures['days']} days of arXiv, a file each, one every {figures['every']:g} s, into `score --streaming`, killed
with SIGKILL {figures['kills']} times and started again; {machine()}.

{table(cells)}"""


def papers_by_day(pattern: str, key: str, first: str, number: int) -> dict[str, list[str]]:
    """Reads JSON Lines and groups them by day: the `number` first days from `first` on that have papers."""
    days: dict[str, list[str]] = collections.defaultdict(list)
    for path in sorted(glob.glob(pattern)):
        with open(path, 'rb') as file:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding='utf-8'):
                days[json.loads(line)[key]].append(line)
    return {day: days[day] for day in sorted(day for day in days if day >= first)[:number]}


def count(days: dict[str, list[str]], output: pathlib.Path) -> dict[str, Any]:
    """Compares what came out with what was put in, record by record."""
    wanted = collections.Counter(json.loads(line)['id'] for lines in days.values() for line in lines)
    tagged: collections.Counter[str] = collections.Counter()
    rejected: collections.Counter[str] = collections.Counter()
    done: collections.Counter[tuple[str, int]] = collections.Counter()
    windows = [path for path in output.iterdir() if (path / 'COMPLETED').exists()]
    for window in windows:
        for part in window.glob('part-*.jsonl'):
            tagged.update(json.loads(line)['id'] for line in part.open(encoding='utf-8'))
        for part in window.glob('dead_letters/part-*.jsonl'):
            rejected.update(json.loads(json.loads(line)['raw'])['id'] for line in part.open(encoding='utf-8'))
        for file in json.loads((window / 'sources.json').read_text('utf-8'))['files']:
            done[pathlib.Path(file['path']).name, file['records']] += 1
    came = tagged + rejected
    files = collections.Counter({(f'{day}.jsonl', len(lines)): 1 for day, lines in days.items()})
    return {
        'days': len(days),
        'records': wanted.total(),
        'tagged': tagged.total(),
        'rejected': rejected.total(),
        'lost': (wanted - came).total(),
        'twice': (came - wanted).total(),
        'files': len(files),
        'files_done_once': (files & done).total() if files == done else -1,
        'windows': len(windows),
    }


if __name__ == '__main__':
    sys.exit(main())
