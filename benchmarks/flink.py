"""Measures `arxiv-tagger prepare --runner=flink` beside the local run, and writes its section of RESULTS.md.

    make bench-flink ARGS='--input ../shared/data/arxiv-1986-2019/*.zst'

Starts and ends clusters by deploy/flink/cluster.py; none may run. README.md beside this file says what is measured.
"""

from __future__ import annotations

import glob
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import machine
import prepare_inputs
import report
import stages
from sections import write_section
from stages import Measured, Runner, Stage

_GOAL = 2.5


def main() -> None:
    """Reads the flags, runs the programs, writes the section."""
    parser = stages.flags(__doc__, 'build/bench/flink')
    parser.add_argument(
        '--input', default='../shared/data/arxiv-1986-2019/*.zst', metavar='PATTERN', help='many papers'
    )
    parser.add_argument('--papers', type=int, default=100_000, metavar='N', help='of them, for most measurements')
    parser.add_argument('--rounds', type=int, default=3, metavar='N')
    arguments = parser.parse_args()
    work = arguments.work_dir
    runner = Runner(work, arguments.reuse)
    some = _mixed(work, arguments.input, arguments.papers)

    local = [runner.run(_local(work, f'local-{round_}', some)) for round_ in range(arguments.rounds)]
    local_all = runner.run(_local(work, 'local-all', arguments.input))
    found: dict[str, list[Measured]] = {}
    starts = {}
    for task_managers in (1, 2):
        starts[task_managers] = _up(task_managers)
        try:
            names = [f'flink-{task_managers}-{round_}' for round_ in range(arguments.rounds)]
            found[str(task_managers)] = [runner.run(_flink(work, name, some)) for name in names]
            if task_managers == 2:
                found['all'] = [runner.run(_flink(work, 'flink-all', arguments.input))]
        finally:
            _cluster('down')
    write_section(arguments.output, 'flink', '\n\n'.join(_section(local, local_all, found, starts, runner)))


def _mixed(work: str, pattern: str, number: int) -> str:
    """Makes mixed files of so many papers, unless they are there; returns their pattern."""
    folder = f'{work}/mixed-{number}'
    if not os.path.exists(folder):
        flags = ('--input', pattern, '--output', folder, '--number', str(number))
        subprocess.run([sys.executable, prepare_inputs.__file__, 'cut', *flags], check=True)
    return f'{folder}/mixed-*.jsonl.zst'


def _local(work: str, name: str, pattern: str) -> Stage:
    return stages.prepare(name, [pattern], f'{work}/{name}')


def _flink(work: str, name: str, pattern: str) -> Stage:
    stage = stages.script(name, 'flink_job', work, '--input', pattern, '--output_dir', f'{work}/{name}', needs=())
    return Stage(stage.name, stage.command, stage.result, folder=f'{work}/{name}')


def _up(task_managers: int) -> float:
    """Starts a cluster; returns the seconds that took."""
    begin = time.monotonic()
    _cluster('up', '--task_managers', str(task_managers))
    return time.monotonic() - begin


def _cluster(*arguments: str) -> None:
    subprocess.run([sys.executable, stages.near('deploy/flink/cluster.py'), *arguments], check=True)


def _seconds(runs: Sequence[Measured]) -> float:
    return statistics.median(run.usage.seconds for run in runs)


def _section(
    local: Sequence[Measured],
    local_all: Measured,
    found: dict[str, list[Measured]],
    starts: dict[int, float],
    runner: Runner,
) -> list[str]:
    one, two, whole = found['1'], found['2'], found['all'][0]
    ratio = _seconds(two) / _seconds(local)
    papers, all_papers = local[0].result['read'], local_all.result['read']
    goals = [
        [
            '2 TaskManagers beside the local run',
            f'<= {_GOAL} of its time',
            f'{ratio:.2f}',
            report.verdict(ratio <= _GOAL),
        ],
        ['1 TaskManager beside 2', '', f'{_seconds(one) / _seconds(two):.2f} of the time', ''],
        [
            f'{all_papers / papers:.1f} times the papers, 2 TaskManagers',
            '',
            f'{whole.usage.seconds / _seconds(two):.2f} times as long',
            '',
        ],
        ['all papers beside the local run', '', f'{whole.usage.seconds / local_all.usage.seconds:.2f} of its time', ''],
    ]
    rows = [
        ['local', f'{papers:,}', _times(local), '', '', '', ''],
        ['1 TaskManager', f'{papers:,}', _times(one), *_job(one)],
        ['2 TaskManagers', f'{papers:,}', _times(two), *_job(two)],
        ['local', f'{all_papers:,}', _times([local_all]), '', '', '', ''],
        ['2 TaskManagers', f'{all_papers:,}', _times([whole]), *_job([whole])],
    ]
    slowest = sorted(two[-1].result['vertices'], key=lambda vertex: -vertex['seconds'])[:8]
    return [
        report.heading('`prepare` on Flink', 'flink.py'),
        report.circumstances(runner.results, machine.machine(), machine.versions()),
        '- Times are those of the whole command, start-up included, on a cluster that runs: each TaskManager has one '
        f'slot and one Python worker, forked from a pool. To start one took {starts[1]:.0f} s with one TaskManager, '
        f'{starts[2]:.0f} s with two. The first of the times is that on a cluster which has run nothing before.',
        report.table(['', 'goal', 'measured', ''], goals),
        report.table(['', 'papers', 'seconds', 'in Flink, s', 'launching, s', 'shuffled', 'a paper'], rows, left=1),
        'The longest steps, with 2 TaskManagers (they overlap, and most wait for others):',
        report.table(
            ['step', 'seconds', 'reads'],
            [
                [f'`{vertex["name"]}`', f'{vertex["seconds"]:.1f}', _megabytes(vertex['read_bytes'])]
                for vertex in slowest
            ],
        ),
        report.usage_table(runner.results),
        report.commands(runner.results),
    ]


def _times(runs: Sequence[Measured]) -> str:
    return ', '.join(f'{run.usage.seconds:.1f}' for run in runs)


def _job(runs: Sequence[Measured]) -> list[str]:
    last = runs[-1]
    shuffled = last.result['shuffled_bytes']
    launching = last.usage.seconds - last.result['seconds']
    a_paper = f'{shuffled / last.result["papers"]:,.0f} B'
    return [f'{last.result["seconds"]:.1f}', f'{launching:.1f}', _megabytes(shuffled), a_paper]


def _megabytes(size: int) -> str:
    return f'{size / 1e6:,.1f} MB'


if __name__ == '__main__':
    if not glob.glob(stages.near('deploy/flink/checksums.txt')):
        raise SystemExit('benchmarks: found no deploy/flink; run this in a clone of the repository')
    main()
