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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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
_SETTINGS = [f'{threads}-{inner}-{batch}' for threads, inner, batch in itertools.product((1, 2), (1, 2), (32, 64, 256))]
_GOAL_P99, _GOAL_SHARE = 0.050, 0.6
# Which loops are compared with.
_AS_MANY, _ANY = f'{_CLIENTS[-1]} papers at a time', 'any number of papers at a time'
_MOST = f'clients-{_CLIENTS[-1]}'


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
    # The more papers at a time, the cheaper; but of clients that ask for one each, no more wait than there are clients.
    best = {
        which: max(some, key=lambda setting: _rate_of(tuned[setting]))
        for which, some in {
            _AS_MANY: [setting for setting in tuned if _papers_at_a_time(setting) <= _CLIENTS[-1]],
            _ANY: list(tuned),
        }.items()
        if some
    }

    def bare(name: str) -> dict[str, Measured]:
        return {which: _bare(runner, arguments, papers, setting, name) for which, setting in best.items()}

    rounds = [_round(runner, arguments, bare, f'round-{number}') for number in range(arguments.rounds)]
    text = '\n\n'.join(_section(arguments.workers, tuned, best, rounds, runner.results))
    write_section(arguments.output, 'serve', text)
    print(text)


class _Round(NamedTuple):
    """What was measured of one server, and of each bare loop just before and just after its most clients."""

    served: Mapping[str, Measured]
    before: Mapping[str, Measured]
    after: Mapping[str, Measured]

    def rate_of(self, which: str) -> float:
        return (_rate_of(self.before[which]) + _rate_of(self.after[which])) / 2

    def share_of(self, which: str) -> float:
        return self.served[_MOST].result['requests_a_second'] / self.rate_of(which)


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


def _round(runner: Runner, arguments: Any, bare: Callable[[str], dict[str, Measured]], name: str) -> _Round:
    served = {}
    with _server(arguments) as (server, port):

        def ask(what: str, clients: int, *flags: str) -> None:
            before = usage_of(server.pid)
            served[what] = _ask(runner, arguments, f'{name}-{what}', port, clients, *flags)
            after = usage_of(server.pid)
            result: dict[str, Any] = served[what].result  # type: ignore[assignment]
            # The client's warm-up counts in both.
            result['server_us'] = 1e6 * (after.cpu_seconds - before.cpu_seconds) / result['all_answers']
            result['server_rss'] = after.rss

        *few, most = _CLIENTS
        for clients in few:
            ask(f'clients-{clients}', clients)
        # The server idles beside the loops.
        before = bare(f'{name}-before')
        ask(_MOST, most)
        after = bare(f'{name}-after')
        ask('rate', most, '--rate', str(_RATE))
    return _Round(served, before, after)


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


def _rate_of(bare: Measured) -> float:
    return bare.result['papers'] / bare.result['loop_seconds']


def _papers_at_a_time(setting: str) -> int:
    threads, _, batch = map(int, setting.split('-'))
    return threads * batch


def _section(
    workers: int,
    tuned: Mapping[str, Measured],
    best: Mapping[str, str],
    rounds: Sequence[_Round],
    results: Mapping[str, Measured],
) -> list[str]:
    served = [one.served for one in rounds]
    p99 = _median(served, 'rate', 'p99')
    failed = sum(measured.result['failed'] for one in served for measured in one.values())
    memory = report.gigabytes(max(one['rate'].result['server_rss'] for one in served))
    return [
        report.heading('Speed of serve', 'serve.py'),
        report.circumstances(results, machine.machine(), machine.versions()),
        f'One paper a request, ten labels in the answer, on loopback, `--workers {workers}`. Clients ask again as soon '
        f'as they are answered; in the last line requests are sent at fixed times, {_RATE} a second, and a latency '
        'counts from the time when its request was due. The client shares the cores with the server. '
        f'{len(rounds)} rounds; medians.',
        report.table(
            ['clients', 'requests/s', 'p50', 'p99', 'largest', 'server, CPU a request', 'client, CPU a request'],
            [_row(f'{clients}', served, f'clients-{clients}') for clients in _CLIENTS]
            + [_row(f'at {_RATE} requests/s', served, 'rate')],
        ),
        f'Memory of the server at the end: {memory}.',
        report.table(
            ['', 'measured', 'goal', ''],
            [
                [
                    f'p99 at {_RATE} requests/s',
                    f'{1000 * p99:.1f} ms',
                    f'below {1000 * _GOAL_P99:.0f} ms',
                    report.verdict(p99 < _GOAL_P99),
                ],
                *(_compared(which, rounds) for which in best),
                ['requests that failed', f'{failed}', '0', report.verdict(not failed)],
            ],
        ),
        '## The bare loop',
        f'It is measured with {len(tuned)} settings, and the best again in each round, just before and just after the '
        f'{_CLIENTS[-1]} clients; these are compared with the mean of both. Of clients that ask for one paper each no '
        f'more than {_CLIENTS[-1]} papers wait at a time; a loop that asks for more shares the price of a call, and '
        'the memory that is read, among more.',
        report.table(
            [
                'best loop',
                'threads - threads an operation - papers a call',
                'papers/s',
                f'{_CLIENTS[-1]} clients / loop',
            ],
            [
                [
                    which,
                    setting,
                    f'{statistics.median(one.rate_of(which) for one in rounds):,.0f}',
                    ', '.join(f'{one.share_of(which):.2f}' for one in rounds),
                ]
                for which, setting in best.items()
            ],
        ),
        report.table(
            ['threads - threads an operation - papers a call', 'papers/s of the loop'],
            [[setting, f'{_rate_of(measured):,.0f}'] for setting, measured in tuned.items()],
        ),
        '## What was run',
        report.commands(results),
    ]


def _compared(which: str, rounds: Sequence[_Round]) -> list[str]:
    share = statistics.median(one.share_of(which) for one in rounds)
    return [
        f'{_CLIENTS[-1]} clients / bare SavedModel, {which}',
        f'{share:.2f}',
        f'{_GOAL_SHARE}',
        report.verdict(share >= _GOAL_SHARE),
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


if __name__ == '__main__':
    main()
