"""Measures arxiv-tagger beside what a user could take instead, on one dump and one split; writes a part of RESULTS.md.

    make bench ARGS='--input arxiv_data.csv'

Each method is a program of its own, so that its time and memory are its own; this one imports nothing heavy, starts
them one after the other, and writes down what they say. README.md beside this file tells how long it takes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import machine
import report
from sections import write_section

_HERE = pathlib.Path(__file__).resolve().parent
_STAGES = ('prepare', 'train', 'exported', 'recipe_prepare', 'step_times', 'recipe', 'linear_svc')


@dataclasses.dataclass(frozen=True)
class Stage:
    """A program to run.

    Attributes:
        name: one of `_STAGES`.
        command: as a user would type it.
        result: the file that holds what it says.
        needs: stages whose output it reads.
    """

    name: str
    command: tuple[str, ...]
    result: str
    needs: tuple[str, ...] = ()

    def runnable(self) -> list[str]:
        """Returns the command with this interpreter, and the scripts beside it, in place of those on the PATH."""
        program, *rest = self.command
        if program == 'python':
            return [sys.executable, *rest]
        return [str(pathlib.Path(sys.executable).with_name(program)), *rest]


def stages(arguments: argparse.Namespace) -> list[Stage]:
    """Lists what to run, in order."""
    work = arguments.work_dir.rstrip('/')
    data, model, recipe_data = f'{work}/data', f'{work}/model', f'{work}/recipe_data'
    inputs = [word for pattern in arguments.input or [_near('samples/train.csv.zst')] for word in ('--input', pattern)]

    def prepare(name: str, output_dir: str, *flags: str) -> Stage:
        command = ('arxiv-tagger', 'prepare', *inputs, '--output_dir', output_dir, *flags, '--overwrite')
        return Stage(name, command, f'{output_dir}/statistics.json')

    def script(name: str, *flags: str, needs: tuple[str, ...]) -> Stage:
        result = f'{work}/{name}.json'
        return Stage(name, ('python', _near(f'benchmarks/{name}.py'), *flags, '--result', result), result, needs)

    train = ('arxiv-tagger', 'train', '--data_dir', data, '--model_dir', model, '--overwrite')
    ours, published = ('--data_dir', data, '--model_dir', model), ('--recipe_data_dir', recipe_data)
    steps, epochs = ('--steps', str(arguments.recipe_steps)), ('--epochs', str(arguments.recipe_epochs))
    candidates = ('--c', *(f'{c:g}' for c in arguments.svc_c))
    return [
        prepare('prepare', data),
        Stage('train', train, f'{model}/metrics.json', needs=('prepare',)),
        script('exported', *inputs, *ours, needs=('prepare', 'train')),
        prepare('recipe_prepare', recipe_data, '--text', 'abstract', '--weighting', 'tf_idf'),
        script('step_times', *ours, *published, *steps, needs=('prepare', 'train', 'recipe_prepare')),
        script('recipe', '--data_dir', recipe_data, *epochs, needs=('recipe_prepare',)),
        script('linear_svc', *inputs, '--data_dir', data, *candidates, needs=('prepare',)),
    ]


def finished(stage: Stage, usage_file: pathlib.Path) -> report.Measured | None:
    """Returns what an earlier run of the same command took and said, or None if there was none."""
    if not usage_file.exists() or not pathlib.Path(stage.result).exists():
        return None
    kept = _read(usage_file)
    if kept['command'] != list(stage.command):
        return None
    return report.Measured(stage.command, machine.Usage(**kept['usage']), _read(stage.result), reused=True)


def measure(stage: Stage, usage_file: pathlib.Path) -> report.Measured:
    """Runs a program, and keeps what it took beside what it said."""
    print(f'benchmarks: {" ".join(stage.command)}', file=sys.stderr, flush=True)
    usage_file.unlink(missing_ok=True)
    usage = machine.run(stage.runnable())
    print(f'benchmarks: {usage.seconds:.0f} s, {usage.peak_bytes / 1e9:.1f} GB', file=sys.stderr, flush=True)
    kept = {'command': stage.command, 'usage': dataclasses.asdict(usage)}
    usage_file.write_text(json.dumps(kept, indent=2) + '\n', 'utf-8')
    return report.Measured(stage.command, usage, _read(stage.result))


def main(argv: Sequence[str] | None = None) -> None:
    """Runs everything and writes the report."""
    arguments = _flags().parse_args(argv)
    usages = pathlib.Path(arguments.work_dir, 'usage')
    usages.mkdir(parents=True, exist_ok=True)
    # `--reuse` alone names all stages.
    reusable = set() if arguments.reuse is None else set(arguments.reuse or _STAGES)
    results: dict[str, report.Measured] = {}
    for stage in stages(arguments):
        usage_file = usages / f'{stage.name}.json'
        earlier = finished(stage, usage_file) if stage.name in reusable and reusable.issuperset(stage.needs) else None
        if earlier is None:
            # Whatever reads its output has to run again too.
            reusable.discard(stage.name)
        results[stage.name] = earlier or measure(stage, usage_file)
    write_section(arguments.output, 'quality', report.render(results, machine.machine(), machine.versions()))
    print(f'benchmarks: {arguments.output}', file=sys.stderr)


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__.split('\n\n')[0], allow_abbrev=False)
    flags.add_argument('--input', action='append', metavar='PATTERN', help='labelled dump (default: the sample papers)')
    flags.add_argument('--work_dir', default='build/bench', metavar='DIR', help='folder for what the programs write')
    flags.add_argument('--output', default=_near('benchmarks/RESULTS.md'), metavar='FILE', help='the report')
    flags.add_argument(
        '--reuse',
        nargs='*',
        choices=_STAGES,
        metavar='STAGE',
        help=f'do not repeat these stages if finished in --work_dir ({", ".join(_STAGES)}); all, if none is named',
    )
    flags.add_argument('--recipe_epochs', type=int, default=1, metavar='N', help='epochs of the dense recipe')
    flags.add_argument('--recipe_steps', type=int, default=60, metavar='N', help='dense steps to time')
    flags.add_argument('--svc_c', type=float, nargs='+', default=[0.1, 0.3, 1], metavar='C', help='candidates for C')
    return flags


def _near(path: str) -> str:
    """Returns a path of the repository as seen from the current folder."""
    return os.path.relpath(_HERE.parent / path)


def _read(path: pathlib.Path | str) -> Any:
    return json.loads(pathlib.Path(path).read_text('utf-8'))


if __name__ == '__main__':
    main()
