"""Measures how long `score --streaming` takes from a file to its result, while papers come at a steady rate.

Files appear by rename. A paper's latency is from the rename of its file to the moment when the folder of its window is
seen (looked for every few milliseconds), so it holds the wait for the end of the window.

    python benchmarks/streaming_latency.py --input papers.jsonl --model_dir model --work_dir build/bench/latency
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import pathlib
import signal
import threading
import time
from typing import Any

import streaming_job
from machine import machine
from process_tree import usage_of
from sections import table, write_section

_LOOK_SECONDS = 0.005


def main() -> None:
    """Reads the flags, measures, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--input', required=True, metavar='FILE', help='JSON Lines, taken over and over')
    parser.add_argument('--rate', type=float, default=100, help='papers a second')
    parser.add_argument('--files_a_second', type=float, default=2.5)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--poll_seconds', type=float, default=0.1)
    streaming_job.add_flags(parser, publish_seconds=1)
    arguments = parser.parse_args()
    figures = measure(arguments)
    print(json.dumps(figures, indent=2))
    if arguments.output:
        write_section(arguments.output, 'streaming_latency', section(figures))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Feeds the job and returns the figures."""
    watched, output = streaming_job.make_folders(arguments.work_dir)
    papers = itertools.cycle(pathlib.Path(arguments.input).read_text('utf-8').splitlines(keepends=True))
    with (arguments.work_dir / 'log').open('w') as log:
        job = streaming_job.start(arguments, log, '--poll_seconds', str(arguments.poll_seconds))
    seen = Seen(output)
    # What begins takes longer: the first call of the model compiles.
    streaming_job.put(watched, 'first.jsonl', [next(papers)])
    while 'first.jsonl' not in seen.at:
        time.sleep(0.1)
    put_at: dict[str, float] = {}
    size = round(arguments.rate / arguments.files_a_second)
    begin = time.time()
    before = usage_of(job.pid)
    for number in range(round(arguments.seconds * arguments.files_a_second)):
        time.sleep(max(0, begin + number / arguments.files_a_second - time.time()))
        name = f'{number:06d}.jsonl'
        put_at[name] = streaming_job.put(watched, name, list(itertools.islice(papers, size)))
    deadline = time.time() + 60
    while len(seen.at) <= len(put_at) and time.time() < deadline:
        time.sleep(0.1)
    after = usage_of(job.pid)
    job.send_signal(signal.SIGTERM)
    job.wait()
    latencies = sorted(seen.at[name] - put_at[name] for name in put_at if name in seen.at)
    return {
        'papers_a_second': arguments.rate,
        'seconds': arguments.seconds,
        'files': len(put_at),
        'published': len(latencies),
        'publish_seconds': arguments.publish_seconds,
        'poll_seconds': arguments.poll_seconds,
        'latency_p50': round(percentile(latencies, 0.50), 3),
        'latency_p99': round(percentile(latencies, 0.99), 3),
        'latency_max': round(latencies[-1], 3),
        'cores_used': round((after.cpu_seconds - before.cpu_seconds) / (time.time() - begin), 2),
        'memory_mb_at_first': before.rss >> 20,
        'memory_mb_at_the_end': after.rss >> 20,
        'exit_code': job.returncode,
    }


def section(figures: dict[str, Any]) -> str:
    """Returns the section of RESULTS.md."""
    cells = {
        'p50': f'{figures["latency_p50"]:.2f} s',
        'p99': f'{figures["latency_p99"]:.2f} s',
        'largest': f'{figures["latency_max"]:.2f} s',
        'cores used': figures['cores_used'],
        'memory at first': f'{figures["memory_mb_at_first"]} MB',
        'at the end': f'{figures["memory_mb_at_the_end"]} MB',
    }
    return f"""## Streaming: from a file to its result

{figures['papers_a_second']:g} papers a second for {figures['seconds']:g} s, in {figures['files']} files by
rename; windows of {figures['publish_seconds']} s, a look every {figures['poll_seconds']:g} s; {machine()}. The time is
from the rename to the moment when the folder of the window is seen: it holds the wait for the window's end.

{table(cells)}"""


class Seen:
    """When each file was first seen in a published window: name -> seconds since 1970."""

    def __init__(self, output: pathlib.Path) -> None:
        self.at: dict[str, float] = {}
        self._output = output
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        known: set[pathlib.Path] = set()
        while True:
            for window in set(self._output.glob('[!.]*Z-*')) - known:
                now = time.time()
                for file in json.loads((window / 'sources.json').read_text('utf-8'))['files']:
                    self.at[pathlib.Path(file['path']).name] = now
                known.add(window)
            time.sleep(_LOOK_SECONDS)


def percentile(values: list[float], share: float) -> float:
    """Returns the smallest of the ascending values that is at least as large as that share of them."""
    return values[max(math.ceil(share * len(values)) - 1, 0)]


if __name__ == '__main__':
    main()
