"""Measures `arxiv-tagger serve` beside a bare loop over the SavedModel, and writes its section of RESULTS.md.

    make bench-serve ARGS='--model_dir folder/of/a/model'

README.md beside this file says what is measured, and how long it takes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import machine
import report
import stages
from process_tree import usage_of
from sections import write_section
from stages import Measured, Runner

_DATA = '../shared/data'
_CLIENTS = (1, 16, 64)
_RATE = 100
# What the bare loop is tried with: threads that call, threads of an operation, papers a call.
_SETTINGS = [f'{threads}-{inner}-{batch}' for threads, inner, batch in itertools.product((1, 2), (1, 2), (64, 256))]
_GOAL_P99, _GOAL_SHARE = 0.050, 0.6


def main() -> None:
    """Reads the flags, runs the programs, writes the section."""
    parser = stages.flags(__doc__, 'build/bench/serve')
    parser.add_argument('--model_dir', default='build/demo/model', help='a model that is there')
    parser.add_argument('--input', default=f'{_DATA}/arxiv-2025-2026/*.zst', metavar='PATTERN', help='papers to tag')
    parser.add_argument('--papers', type=int, default=20_000, metavar='N', help='of them, taken over and over')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), metavar='N', help='processes of the server')
    parser.add_argument('--seconds', type=float, default=10, metavar='N', help='a measurement of the server')
    parser.add_argument('--rounds', type=int, default=3, metavar='N')
    parser.add_argument(
        '--settings',
        nargs='+',
        default=_SETTINGS,
        metavar='T-O-B',
        help='of the bare loop: threads that call, threads of an operation, papers a call',
    )
    arguments = parser.parse_args()
    work = arguments.work_dir
    runner = Runner(work, arguments.reuse)
    cut = ('--input', arguments.input, '--number', str(arguments.papers), '--output', f'{work}/papers.jsonl')
    papers = runner.run(stages.script('papers', 'raw_papers', work, *cut, needs=())).result['papers']

    tuned = {setting: _bare(runner, arguments, papers, setting, 'bare') for setting in arguments.settings}
    best = max(tuned, key=lambda setting: _rate_of(tuned[setting]))
    bare, served = [], []
    for round_ in range(arguments.rounds):
        bare.append(_bare(runner, arguments, papers, best, f'round-{round_}'))
        served.append(_serve(runner, arguments, f'round-{round_}'))
    text = '\n\n'.join(_section(arguments.workers, tuned, best, bare, served, runner.results))
    write_section(arguments.output, 'serve', text)
    print(text)


def _bare(runner: Runner, arguments: Any, papers: int, setting: str, name: str) -> Measured:
    threads, inner, batch = setting.split('-')
    export = os.path.join(arguments.model_dir, 'export')
    newest = max((version for version in os.listdir(export) if version.isdecimal()), key=int)
    stage = stages.script(
        f'{name}-{setting}',
        'bare_loop',
        arguments.work_dir,
        *('--export', os.path.join(export, newest), '--papers', f'{arguments.work_dir}/papers.jsonl'),
        *('--number', str(papers), '--threads', threads, '--tensorflow_threads', inner, '--batch_size', batch),
        needs=('papers',),
    )
    return runner.run(stage)


def _serve(runner: Runner, arguments: Any, name: str) -> dict[str, Measured]:
    """Measures one server: as many clients as can be, and a steady rate."""
    measured = {}
    with _server(arguments) as (server, port):
        for clients in _CLIENTS:
            before = usage_of(server.pid)
            measured[str(clients)] = _ask(runner, arguments, f'{name}-clients-{clients}', port, clients)
            _add_usage(measured[str(clients)], before, server.pid)
        before = usage_of(server.pid)
        measured['rate'] = _ask(runner, arguments, f'{name}-rate', port, _CLIENTS[-1], '--rate', str(_RATE))
        _add_usage(measured['rate'], before, server.pid)
    return measured


def _ask(runner: Runner, arguments: Any, name: str, port: str, clients: int, *flags: str) -> Measured:
    work = arguments.work_dir
    stage = stages.script(
        name,
        'serve_client',
        work,
        *('--port', port, '--papers', f'{work}/papers.jsonl', '--seconds', str(arguments.seconds)),
        *('--clients', str(clients), *flags),
        needs=('papers',),
    )
    return runner.run(stage)


def _add_usage(measured: Measured, before: Any, pid: int) -> None:
    after = usage_of(pid)
    # The client's warm-up counts in both.
    answered = measured.result['all_answers']
    measured.result['server_us'] = 1e6 * (after.cpu_seconds - before.cpu_seconds) / answered  # type: ignore[index]
    measured.result['server_rss'] = after.rss  # type: ignore[index]


@contextlib.contextmanager
def _server(arguments: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = ['serve', '--model_dir', arguments.model_dir, '--port', '0', '--workers', str(arguments.workers)]
    process = subprocess.Popen([sys.executable, '-m', 'pipeline.cli', *command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit(f'benchmarks: "arxiv-tagger {" ".join(command)}" does not serve.')
        yield process, address.rpartition(':')[2]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _rate_of(measured: Measured) -> float:
    return measured.result['papers'] / measured.result['loop_seconds']


def _section(
    workers: int,
    tuned: Mapping[str, Measured],
    best: str,
    bare: Sequence[Measured],
    served: Sequence[Mapping[str, Measured]],
    results: Mapping[str, Measured],
) -> list[str]:
    loop = statistics.median(map(_rate_of, bare))
    share = _median(served, '64', 'requests_a_second') / loop
    p99 = _median(served, 'rate', 'p99')
    threads, inner, batch = best.split('-')
    return [
        report.heading('Speed of serve', 'serve.py'),
        report.circumstances(results, machine.machine(), machine.versions()),
        f'One paper a request, ten labels in the answer, on loopback, `--workers {workers}`. Clients ask again as soon '
        f'as they are answered; in the last line requests are sent at fixed times, {_RATE} a second, and a latency '
        'counts from the time when its request was due. The client shares the cores with the server. '
        f'{len(bare)} rounds; medians.',
        report.table(
            ['clients', 'requests/s', 'p50', 'p99', 'largest', 'server, CPU a request', 'client, CPU a request'],
            [_row(f'{clients}', served, str(clients)) for clients in _CLIENTS]
            + [_row(f'at {_RATE} requests/s', served, 'rate')],
        ),
        f'Beside it the bare SavedModel in a loop with the best of {len(tuned)} settings, {threads} thread(s) that '
        f'call `serving_default`, {inner} thread(s) an operation, {batch} papers a call: {loop:,.0f} papers/s. Memory '
        f'of the server at the end: {report.gigabytes(max(int(one["rate"].result["server_rss"]) for one in served))}.',
        report.table(
            ['', 'measured', 'goal', ''],
            [
                [
                    f'p99 at {_RATE} requests/s',
                    f'{1000 * p99:.1f} ms',
                    f'below {1000 * _GOAL_P99:.0f} ms',
                    report.verdict(p99 < _GOAL_P99),
                ],
                [
                    '64 clients / bare SavedModel',
                    f'{share:.2f}',
                    f'{_GOAL_SHARE}',
                    report.verdict(share >= _GOAL_SHARE),
                ],
                ['requests that failed', f'{_failed(served)}', '0', report.verdict(not _failed(served))],
            ],
        ),
        '## The bare loop',
        report.table(
            ['threads - threads an operation - papers a call', 'papers/s of the loop'],
            [[setting, f'{_rate_of(measured):,.0f}'] for setting, measured in tuned.items()],
        ),
        '## What was run',
        report.commands(results),
    ]


def _row(what: str, served: Sequence[Mapping[str, Measured]], name: str) -> list[str]:
    return [
        what,
        f'{_median(served, name, "requests_a_second"):,.0f}',
        *(f'{1000 * _median(served, name, figure):.1f} ms' for figure in ('p50', 'p99', 'max')),
        *(f'{_median(served, name, figure):,.0f} us' for figure in ('server_us', 'client_us')),
    ]


def _median(served: Sequence[Mapping[str, Measured]], name: str, figure: str) -> float:
    return statistics.median(one[name].result[figure] for one in served)


def _failed(served: Sequence[Mapping[str, Measured]]) -> int:
    return sum(measured.result['failed'] for one in served for measured in one.values())


if __name__ == '__main__':
    main()
