"""Measures speed and memory of `arxiv-tagger train` beside what a user could take instead; writes a section.

    make bench-train ARGS='--input arxiv_data.csv --all_input "dumps/*.zst"'

Each measurement is a program of its own; this one imports nothing heavy, starts them one after the other, watches their
processes, and writes down what they took. README.md beside this file says how long.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence

import machine
import report
import stages
import train_report
from sections import write_section
from stages import Runner


def measure(arguments: argparse.Namespace, runner: Runner) -> None:
    """Runs training, and what it is compared with, on the papers of --input."""
    work = arguments.work_dir.rstrip('/')
    data, recipe_data = f'{work}/data', f'{work}/recipe_data'
    patterns = arguments.input or [stages.near(stages.SAMPLE)]
    inputs = stages.input_flags(patterns)
    both, steps = ['prepare', 'recipe_prepare'], ('--steps', str(arguments.steps))
    candidates = ('--c', *(f'{c:g}' for c in arguments.svc_c))

    runner.run(stages.prepare('prepare', patterns, data))
    # The text is ours, so that both models have the same work.
    runner.run(stages.prepare('recipe_prepare', patterns, recipe_data, '--weighting', 'tf_idf'))
    runner.run(stages.train('train', data, f'{work}/model', needs=['prepare']))
    timed = ('--data_dir', data, '--recipe_data_dir', recipe_data, *steps)
    runner.run(stages.script('step_times', 'step_times', work, *timed, needs=both))
    source = ('--features', 'own', '--data_dir', data, *inputs)
    svc = runner.run(stages.script('linear_svc', 'linear_svc', work, *source, *candidates, needs=['prepare']))
    target = f'{report.best_svc(svc)["ndcg_at_5"]:.6f}'
    for seed in arguments.seeds:
        reach = ('--data_dir', data, '--target', target, '--seed', str(seed))
        name = f'time_to_target-{seed}'
        runner.run(stages.script(name, 'time_to_target', work, *reach, needs=['prepare', 'linear_svc']))
    if _has_gpu():
        runner.run(stages.script('gpu', 'step_times', work, *timed, needs=both, gpus=True))
        alone = ('--data_dir', data, *steps, '--precision', 'auto')
        runner.run(stages.script('gpu_mixed', 'step_times', work, *alone, needs=['prepare'], gpus=True))
    if arguments.all_input:
        runner.run(stages.prepare('all_prepare', arguments.all_input, f'{work}/all_data'))
        epochs = ('--epochs', str(arguments.all_epochs))
        runner.run(stages.train('all_train', f'{work}/all_data', f'{work}/all_model', *epochs, needs=['all_prepare']))


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the measurements and writes the section."""
    arguments = _flags().parse_args(argv)
    runner = Runner(arguments.work_dir, arguments.reuse)
    measure(arguments, runner)
    text = train_report.render(runner.results, machine.machine(), machine.versions())
    write_section(arguments.output, 'train', text)
    print(f'benchmarks: {arguments.output}', file=sys.stderr)


def _has_gpu() -> bool:
    program = shutil.which('nvidia-smi')
    return program is not None and b'GPU' in subprocess.run([program, '-L'], capture_output=True).stdout


def _flags() -> argparse.ArgumentParser:
    flags = stages.flags(__doc__.split('\n\n')[0], 'build/bench/train')
    flags.add_argument('--input', action='append', metavar='PATTERN', help='labelled dump (default: the sample papers)')
    flags.add_argument('--all_input', action='append', metavar='PATTERN', help='many more papers; not run if left out')
    flags.add_argument('--all_epochs', type=int, default=2, metavar='N', help='epochs on those')
    flags.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N', help='of the time to a target')
    flags.add_argument('--svc_c', type=float, nargs='+', default=stages.SVC_C, metavar='C', help='candidates for C')
    flags.add_argument('--steps', type=int, default=60, metavar='N', help='dense steps to time')
    return flags


if __name__ == '__main__':
    main()
