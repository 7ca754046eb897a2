"""Measures `arxiv-tagger score` beside a bare loop over the SavedModel, and writes its section of RESULTS.md.

    make bench-score ARGS='--model_dir folder/of/a/model'

README.md beside this file says what is measured, and how long it takes.
"""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Mapping, Sequence

import machine
import report
import stages
from sections import write_section
from stages import Measured, Runner, Stage

_DATA = '../shared/data'
# What the bare loop is tried with: threads that call, threads of an operation, papers a call.
_SETTINGS = tuple(itertools.product((1, 2), (1, 2), (64, 256, 1024)))
_GOAL, _GOAL_RATE = 0.7, 5000


def main() -> None:
    """Reads the flags, runs the programs, writes the section."""
    parser = stages.flags(__doc__, 'build/bench/score')
    parser.add_argument('--model_dir', help='a model that is there; default: one is trained on --train_input')
    parser.add_argument('--train_input', default=f'{_DATA}/arxiv-1986-2019/*.zst', metavar='PATTERN')
    parser.add_argument('--train_epochs', default='2', metavar='N')
    parser.add_argument('--input', default=f'{_DATA}/arxiv-2025-2026/*.zst', metavar='PATTERN', help='papers to tag')
    parser.add_argument('--papers', type=int, default=100_000, metavar='N', help='of them')
    parser.add_argument('--tuning_papers', type=int, default=20_000, metavar='N')
    parser.add_argument('--rounds', type=int, default=3, metavar='N')
    parser.add_argument(
        '--more_input', default=f'{_DATA}/arxiv-1986-2019/*.zst', metavar='PATTERN', help='many papers, for the memory'
    )
    arguments = parser.parse_args()
    work = arguments.work_dir
    runner = Runner(work, arguments.reuse)
    model = arguments.model_dir or _train(runner, work, arguments.train_input, arguments.train_epochs)

    papers = f'{work}/papers.jsonl'
    cut = ('--input', arguments.input, '--number', str(arguments.papers), '--output', papers)
    number = runner.run(stages.script('papers', 'raw_papers', work, *cut, needs=())).result['papers']
    tuned = {setting: runner.run(_bare(work, model, papers, arguments.tuning_papers, setting)) for setting in _SETTINGS}
    best = min(tuned, key=lambda setting: tuned[setting].result['loop_seconds'])
    bare, score = [], []
    for round_ in range(arguments.rounds):
        bare.append(runner.run(_bare(work, model, papers, number, best, f'bare-{round_}')))
        score.append(runner.run(_score(work, model, papers, f'score-{round_}')))
    quarter = f'{work}/quarter.jsonl'
    cut = ('--input', papers, '--number', str(number // 4), '--output', quarter)
    runner.run(stages.script('quarter', 'raw_papers', work, *cut, needs=('papers',)))
    sizes = [runner.run(_score(work, model, quarter, 'score-quarter')), score[0]]
    sizes.append(runner.run(_score(work, model, arguments.more_input, 'score-more')))
    text = '\n\n'.join(_section(tuned, best, bare, score, sizes, runner.results))
    write_section(arguments.output, 'score', text)


def _train(runner: Runner, work: str, pattern: str, epochs: str) -> str:
    data, model = f'{work}/data', f'{work}/model'
    runner.run(stages.prepare('prepare', [pattern], data))
    runner.run(stages.train('train', data, model, '--epochs', epochs, needs=('prepare',)))
    return model


def _bare(
    work: str, model: str, papers: str, number: int, setting: tuple[int, int, int], name: str | None = None
) -> Stage:
    threads, inner, batch = map(str, setting)
    export = os.path.join(model, 'export')
    newest = max((version for version in os.listdir(export) if version.isdecimal()), key=int)
    return stages.script(
        name or f'bare-{threads}-{inner}-{batch}',
        'bare_loop',
        work,
        *('--export', os.path.join(export, newest), '--papers', papers, '--number', str(number)),
        *('--threads', threads, '--tensorflow_threads', inner, '--batch_size', batch),
        needs=('papers',),
    )


def _score(work: str, model: str, pattern: str, name: str) -> Stage:
    output = f'{work}/tagged-{name}'
    command = ('arxiv-tagger', 'score', '--input', pattern, '--model_dir', model, '--output_dir', output)
    return Stage(name, command, f'{output}/statistics.json', ('papers',), folder=output)


def _section(
    tuned: Mapping[tuple[int, int, int], Measured],
    best: tuple[int, int, int],
    bare: Sequence[Measured],
    score: Sequence[Measured],
    sizes: Sequence[Measured],
    results: Mapping[str, Measured],
) -> list[str]:
    papers = score[0].result['read']
    ours = statistics.median(measured.usage.seconds for measured in score)
    theirs = statistics.median(measured.usage.seconds for measured in bare)
    loop = statistics.median(measured.result['loop_seconds'] for measured in bare)
    quarter, whole, more = sizes
    steady = (papers - quarter.result['read']) / (ours - quarter.usage.seconds)
    threads, inner, batch = best
    return [
        report.heading('Speed and memory of score', 'score.py'),
        report.circumstances(results, machine.machine(), machine.versions()),
        f'{papers:,} raw papers in one file of JSON Lines. Beside `arxiv-tagger score` (default flags, a process a '
        'core; it reads, checks, tags, profiles, partitions, sorts and writes) stands a bare loop over the SavedModel '
        f'with the best of {len(tuned)} settings: {threads} thread(s) call `serving_default`, {inner} thread(s) an '
        f'operation, {batch} papers a call; it reads the same file and throws the answers away. '
        f'{len(score)} rounds, in turn; medians.',
        report.table(
            ['', 'whole program', 'papers/s', 'CPU', 'peak memory'],
            [
                ['bare loop', *_row(bare, papers)],
                ['`arxiv-tagger score`', *_row(score, papers)],
            ],
        ),
        report.table(
            ['', 'measured', 'goal', ''],
            [
                [
                    'bare loop / score, whole programs',
                    f'{theirs / ours:.2f}',
                    f'{_GOAL}',
                    report.verdict(theirs / ours >= _GOAL),
                ],
                ['papers/s, whole program', f'{papers / ours:,.0f}', f'{_GOAL_RATE:,}', _met(papers / ours)],
                [
                    'papers/s, what the last three quarters take more than the first',
                    f'{steady:,.0f}',
                    f'{_GOAL_RATE:,}',
                    _met(steady),
                ],
                ['papers/s, the loop of the bare loop alone', f'{papers / loop:,.0f}', '', ''],
            ],
        ),
        '## Memory',
        report.table(
            ['papers', 'wall', 'papers/s', 'peak memory', 'peak of resident sets'],
            [
                [
                    f'{one.result["read"]:,}',
                    f'{one.usage.seconds:.1f} s',
                    f'{one.result["read"] / one.usage.seconds:,.0f}',
                    report.gigabytes(one.usage.peak_pss),
                    report.gigabytes(one.usage.peak_rss),
                ]
                for one in (quarter, whole, more)
            ],
        )
        + '\n\nThe abstracts of the last line are shorter. Of what is written at the end, up to 100 MB wait in each of '
        'four queues of Beam.',
        f'{more.result["read"]:,} papers:\n\n{report.memory_curve(more.usage)}',
        '## The bare loop',
        report.table(
            ['threads', 'threads an operation', 'papers a call', 'papers/s of the loop'],
            [
                [*map(str, setting), f'{measured.result["papers"] / measured.result["loop_seconds"]:,.0f}']
                for setting, measured in tuned.items()
            ],
            left=0,
        ),
        '## What was run',
        report.commands(results),
    ]


def _row(measured: Sequence[Measured], papers: int) -> list[str]:
    seconds = statistics.median(one.usage.seconds for one in measured)
    cpu = statistics.median(one.usage.cpu_seconds for one in measured)
    peak = max(one.usage.peak_pss for one in measured)
    return [f'{seconds:.1f} s', f'{papers / seconds:,.0f}', f'{cpu:.0f} s', report.gigabytes(peak)]


def _met(rate: float) -> str:
    return report.verdict(rate >= _GOAL_RATE)


if __name__ == '__main__':
    main()
