"""Measures what each choice of the defaults is worth: variants that change a flag or two; writes a section.

    make bench-ablation ARGS='--input arxiv_data.csv'

It calls `arxiv-tagger` as a user does, and reads its metrics.json. A run that was broken off goes on with --reuse.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import machine
import report
import stages
from ablation_variants import DEFAULTS, VARIANTS, Variant
from report import FIGURES, table
from sections import write_section
from stages import Measured, Runner, Stage

from trainer import flags as train_flags

_FIGURES = ('precision_at_1', 'ndcg_at_5', 'micro_f1', 'macro_f1')


def changed(variants: Sequence[Variant]) -> list[Variant]:
    """Leaves out the variants that are what the defaults are.

    Raises:
        SystemExit: if `train` does not know a flag of a variant.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    train_flags.add_flags(parser)

    def config(variant: Variant) -> Any:
        return train_flags.config_of(parser.parse_args(['--data_dir=', '--model_dir=', *variant.train.split()]))

    return [one for one in variants if one.prepare or config(one) != config(DEFAULTS)]


def stage_of(variant: Variant, seed: int, runner: Runner, arguments: argparse.Namespace) -> Stage:
    """Makes the stage that measures a variant, and runs the `prepare` that it needs first."""
    work, name = arguments.work_dir.rstrip('/'), f'{variant.name}-{seed}'
    prepared = '-'.join(['prepare', *variant.prepare.replace('--', '').split()])
    data = f'{work}/{prepared}'
    if prepared not in runner.results:
        patterns = arguments.input or [stages.near(stages.SAMPLE)]
        runner.run(stages.prepare(prepared, patterns, data, *variant.prepare.split()))
    flags = ('--seed', str(seed), *variant.train.split())
    return stages.train(name, data, f'{work}/{name}', *flags, needs=[prepared]).without(*stages.ALL_BUT_FIGURES)


def render(variants: Sequence[Variant], results: Mapping[str, Measured], on: str, versions: str, of: str = '') -> str:
    """Writes the section.

    Args:
        variants: those that were measured, the defaults first.
        results: what was measured, by stage: the name of the variant and a seed.
        on: what it ran on.
        versions: of the packages.
        of: end of the heading.
    """
    runs = {
        variant: [got.result for name, got in results.items() if name.rpartition('-')[0] == variant.name]
        for variant in variants
    }
    defaults = runs[DEFAULTS]
    header = ['variant', 'flags', 'seeds']
    header += [f'{split} {FIGURES[figure]}' for split in ('validation', 'test') for figure in _FIGURES]
    seeds = [int(name.rpartition('-')[2]) for name in results if name.startswith(f'{DEFAULTS.name}-')]
    notes = [
        report.papers('papers', results['prepare']),
        report.circumstances(results, on, versions),
        f'- Settings, the defaults: {report.settings(defaults[0]["config"])}.',
        f'- Seeds of the defaults: {", ".join(map(str, seeds))}; of the others the first ones. In a second line, if '
        'there are several, the smallest and the largest figure: what is nearer than that says little.',
        '- What became a default was chosen by the figures on the validation papers.',
        '- *s an epoch*: mean of the epochs, validation left out.',
    ]
    return '\n\n'.join(
        [
            report.heading(f'What the defaults are worth{of}', 'ablation.py'),
            '\n'.join(notes),
            table([*header, 's an epoch', 'best epoch'], _rows(runs), left=2),
            '## Commands',
            report.commands(results),
        ]
    )


def _rows(runs: Mapping[Variant, Sequence[Mapping[str, Any]]]) -> Iterator[list[str]]:
    def cells(of: Sequence[Mapping[str, Any]], write: Callable[[Sequence[float]], str]) -> list[str]:
        return [write([run[split][figure] for run in of]) for split in ('validation', 'test') for figure in _FIGURES]

    for variant, of in runs.items():
        flags = ' '.join(flag for flag in (variant.prepare, variant.train) if flag)
        seconds = statistics.fmean(run['seconds_per_epoch'] for run in of)
        epochs = ', '.join(f'{run["best_epoch"]} of {run["epochs"]}' for run in of)
        name = f'**{variant.name}**' if variant is DEFAULTS else variant.name
        yield [name, f'`{flags}`' if flags else '', str(len(of)), *cells(of, report.mean), f'{seconds:.1f}', epochs]
        if len(of) > 1:
            yield ['', '', '', *cells(of, report.spread), '', '']


def main(argv: Sequence[str] | None = None) -> None:
    """Runs everything and writes the section."""
    arguments = _flags().parse_args(argv)
    wanted = [one for one in VARIANTS if not arguments.only or one.name in arguments.only]
    variants = changed(wanted)
    for variant in wanted:
        if variant not in variants:
            print(f'benchmarks: {variant.name} is what the defaults are; left out', file=sys.stderr)
    if missing := set(arguments.seeds) - set(arguments.default_seeds):
        raise SystemExit(f'benchmarks: --default_seeds lacks {", ".join(map(str, missing))} of --seeds')
    runner = Runner(arguments.work_dir, arguments.reuse)
    for variant in (DEFAULTS, *variants):
        for seed in arguments.default_seeds if variant is DEFAULTS else arguments.seeds:
            runner.run(stage_of(variant, seed, runner, arguments))
    of = arguments.section.removeprefix('ablation').replace('_', ' on ', 1)
    text = render([DEFAULTS, *variants], runner.results, machine.machine(), machine.versions(), of)
    write_section(arguments.output, arguments.section, text)
    print(f'benchmarks: {arguments.output}', file=sys.stderr)


def _flags() -> argparse.ArgumentParser:
    flags = stages.flags(__doc__.split('\n\n')[0], 'build/bench/ablation')
    names = [variant.name for variant in VARIANTS]
    flags.add_argument('--input', action='append', metavar='PATTERN', help='labelled dump (default: the sample papers)')
    flags.add_argument(
        '--section', default='ablation', metavar='NAME', help='of the report: another one for each --input to keep'
    )
    flags.add_argument('--only', nargs='+', choices=names, metavar='VARIANT', help=', '.join(names))
    flags.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='N', help='of each variant')
    flags.add_argument('--default_seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N', help='of the defaults')
    return flags


if __name__ == '__main__':
    main()
