"""Measures arxiv-tagger beside what a user could take instead, on dumps and one split of each; writes a section.

    make bench ARGS='--set csv=arxiv_data.csv --recipe_on csv'

Each method is a program of its own, so that its time and memory are its own; this one imports nothing heavy, starts
them one after the other, and writes down what they say. README.md beside this file tells how long it takes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence

import machine
import quality_report
import stages
from sections import write_section
from stages import Runner, Stage


def stages_of(name: str, patterns: Sequence[str], arguments: argparse.Namespace) -> list[Stage]:
    """Lists what to run on the papers of a set, in order."""
    work = arguments.work_dir.rstrip('/')
    data, recipe_data = f'{work}/{name}/data', f'{work}/{name}/recipe_data'
    prepared, inputs = f'{name}-prepare', stages.input_flags(patterns)
    candidates = ('--c', *(f'{c:g}' for c in arguments.svc_c))

    def train(seed: int) -> Stage:
        model, flags = f'{work}/{name}/model-{seed}', ('--seed', str(seed))
        stage = stages.train(f'{name}-train-{seed}', data, model, *flags, needs=[prepared])
        return stage if seed == first else stage.without(*stages.ALL_BUT_FIGURES)

    def script(what: str, program: str, *flags: str, needs: Sequence[str]) -> Stage:
        return stages.script(f'{name}-{what}', program, work, *flags, needs=needs)

    def svc(features: str) -> Stage:
        source = ('--features', features, '--data_dir', data, *inputs)
        return script(f'svc_{features}', 'linear_svc', *source, *candidates, needs=[prepared])

    first = arguments.seeds[0]
    ours = ('--data_dir', data, '--model_dir', f'{work}/{name}/model-{first}')
    listed = [
        stages.prepare(prepared, patterns, data),
        *(train(seed) for seed in arguments.seeds),
        script('exported', 'exported', *inputs, *ours, needs=[prepared, f'{name}-train-{first}']),
        svc('own'),
        svc('stored'),
    ]
    if name == arguments.recipe_on:
        flags = ('--text', 'abstract', '--weighting', 'tf_idf')
        listed.append(stages.prepare(f'{name}-recipe_prepare', patterns, recipe_data, *flags))
        source = ('--data_dir', recipe_data, '--epochs', str(arguments.recipe_epochs))
        listed.append(script('recipe', 'recipe', *source, needs=[f'{name}-recipe_prepare']))
    return listed


def sets_of(said: Sequence[str]) -> Mapping[str, list[str]]:
    """Reads the values of --set.

    >>> sets_of(['csv=a.csv', 'all=b', 'all=c'])
    {'csv': ['a.csv'], 'all': ['b', 'c']}

    Raises:
        SystemExit: if one is not NAME=PATTERN.
    """
    sets: dict[str, list[str]] = {}
    for one in said:
        name, _, pattern = one.partition('=')
        if not re.fullmatch(r'\w+', name) or not pattern:
            raise SystemExit(f'benchmarks: --set {one} is not NAME=PATTERN, NAME of letters, digits and _')
        sets.setdefault(name, []).append(pattern)
    return sets


def main(argv: Sequence[str] | None = None) -> None:
    """Runs everything and writes the section."""
    arguments = _flags().parse_args(argv)
    sets = sets_of(arguments.set or [f'sample={stages.near(stages.SAMPLE)}'])
    if arguments.recipe_on and arguments.recipe_on not in sets:
        raise SystemExit(f'benchmarks: --recipe_on {arguments.recipe_on} is none of {", ".join(sets)}')
    runner = Runner(arguments.work_dir, arguments.reuse)
    for name, patterns in sets.items():
        for stage in stages_of(name, patterns, arguments):
            runner.run(stage)
    text = quality_report.render(list(sets), runner.results, machine.machine(), machine.versions())
    write_section(arguments.output, 'quality', text)
    print(f'benchmarks: {arguments.output}', file=sys.stderr)


def _flags() -> argparse.ArgumentParser:
    flags = stages.flags(__doc__.split('\n\n')[0], 'build/bench/quality')
    flags.add_argument(
        '--set',
        action='append',
        metavar='NAME=PATTERN',
        help='labelled dumps and what to call them; may be repeated, also for one name (default: the sample papers)',
    )
    flags.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N', help='of our training')
    flags.add_argument('--svc_c', type=float, nargs='+', default=stages.SVC_C, metavar='C', help='candidates for C')
    flags.add_argument('--recipe_on', default='', metavar='NAME', help='the set that the dense recipe is trained on')
    flags.add_argument('--recipe_epochs', type=int, default=1, metavar='N', help='epochs of the dense recipe')
    return flags


if __name__ == '__main__':
    main()
