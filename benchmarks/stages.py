"""Runs programs one after the other, watches each with its children, and keeps what each took and said for --reuse.

Imports nothing that is not in Python: the memory of a program that is started from here is its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from process_tree import TreeUsage, measure

_HERE = pathlib.Path(__file__).resolve().parent
SAMPLE = 'samples/train.csv.zst'
# Candidates for LinearSVC.
SVC_C = (0.1, 0.2, 0.3, 0.5, 1.0)
# What `train` publishes that takes space and that no figure is read from.
ALL_BUT_FIGURES = ('export', 'checkpoints', 'logs', 'plots')


@dataclasses.dataclass(frozen=True)
class Stage:
    """A program to run.

    Attributes:
        name: of the stage; its log has that name too.
        command: as a user would type it.
        result: the JSON file that holds what it says.
        needs: stages whose output it reads.
        folder: what it writes; removed before it runs.
        disposable: what nobody needs in there once it has run.
        gpus: whether it may use GPUs.
    """

    name: str
    command: tuple[str, ...]
    result: str
    needs: tuple[str, ...] = ()
    folder: str = ''
    disposable: tuple[str, ...] = ()
    gpus: bool = False

    def without(self, *names: str) -> Stage:
        """Returns the stage, made to remove these from its folder once it has run."""
        return dataclasses.replace(self, disposable=names)

    def runnable(self) -> list[str]:
        """Returns the command with this interpreter, and the scripts beside it, in place of those on the PATH."""
        program, *rest = self.command
        if program == 'python':
            return [sys.executable, *rest]
        return [str(pathlib.Path(sys.executable).with_name(program)), *rest]


@dataclasses.dataclass(frozen=True)
class Measured:
    """A program that ran: its command, what it took, what it said, and whether that was in an earlier run."""

    command: Sequence[str]
    usage: TreeUsage
    result: Mapping[str, Any]
    reused: bool = False


class Runner:
    """Runs stages, or takes what they said in an earlier run.

    Args:
        work_dir: folder for what the programs write.
        reuse: patterns of stages that need not run again if the same command has finished there and nothing that it
            needs runs again; None for none, empty for all.

    Attributes:
        results: of the stages that ran, in order.
    """

    def __init__(self, work_dir: str, reuse: Sequence[str] | None) -> None:
        self._usages = pathlib.Path(work_dir, 'usage')
        self._logs = pathlib.Path(work_dir, 'logs')
        self._reuse = () if reuse is None else reuse or ('*',)
        self.results: dict[str, Measured] = {}
        for folder in (self._usages, self._logs):
            folder.mkdir(parents=True, exist_ok=True)

    def run(self, stage: Stage) -> Measured:
        """Runs a stage.

        Raises:
            SystemExit: if it failed.
        """
        self.results[stage.name] = result = self._earlier(stage) or self._measure(stage)
        return result

    def _earlier(self, stage: Stage) -> Measured | None:
        kept_file = self._usages / f'{stage.name}.json'
        wanted = any(fnmatch.fnmatchcase(stage.name, pattern) for pattern in self._reuse)
        if not wanted or not all(self.results[need].reused for need in stage.needs):
            return None
        if not kept_file.exists() or not pathlib.Path(stage.result).exists():
            return None
        kept = read_json(kept_file)
        if kept['command'] != list(stage.command):
            return None
        return Measured(stage.command, TreeUsage.from_json(kept['usage']), read_json(stage.result), reused=True)

    def _measure(self, stage: Stage) -> Measured:
        kept_file = self._usages / f'{stage.name}.json'
        _say(f'{stage.name}: {" ".join(stage.command)}')
        kept_file.unlink(missing_ok=True)
        if stage.folder:
            shutil.rmtree(stage.folder, ignore_errors=True)
        usage = measure(stage.runnable(), self._logs / f'{stage.name}.txt', gpus=stage.gpus)
        _say(f'{stage.name}: {usage.seconds:.0f} s, {usage.peak_pss / 1e9:.1f} GB')
        for name in stage.disposable:
            shutil.rmtree(os.path.join(stage.folder, name), ignore_errors=True)
        kept = {'command': stage.command, 'usage': usage.to_json()}
        kept_file.write_text(json.dumps(kept) + '\n', 'utf-8')
        return Measured(stage.command, usage, read_json(stage.result))


def input_flags(patterns: Iterable[str]) -> list[str]:
    """Names the dumps, as the commands and the programs that read them take them."""
    return [word for pattern in patterns for word in ('--input', pattern)]


def prepare(name: str, patterns: Iterable[str], output_dir: str, *flags: str) -> Stage:
    """A run of `arxiv-tagger prepare`; it says its statistics."""
    command = ('arxiv-tagger', 'prepare', *input_flags(patterns), '--output_dir', output_dir, *flags)
    return Stage(name, command, f'{output_dir}/statistics.json', folder=output_dir)


def train(name: str, data_dir: str, model_dir: str, *flags: str, needs: Sequence[str]) -> Stage:
    """A run of `arxiv-tagger train`; it says its metrics."""
    command = ('arxiv-tagger', 'train', '--data_dir', data_dir, '--model_dir', model_dir, *flags)
    return Stage(name, command, f'{model_dir}/metrics.json', tuple(needs), folder=model_dir)


def script(name: str, program: str, work_dir: str, *flags: str, needs: Sequence[str], gpus: bool = False) -> Stage:
    """A run of a program that stands beside this one and takes --result."""
    result = f'{work_dir}/{name}.json'
    command = ('python', near(f'benchmarks/{program}.py'), *flags, '--result', result)
    return Stage(name, command, result, tuple(needs), gpus=gpus)


def flags(description: str, work_dir: str) -> argparse.ArgumentParser:
    """Returns a parser with the flags of each program that runs stages."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument('--work_dir', default=work_dir, metavar='DIR', help='folder for what the programs write')
    parser.add_argument('--output', default=near('benchmarks/RESULTS.md'), metavar='FILE', help='the report')
    parser.add_argument(
        '--reuse',
        nargs='*',
        metavar='STAGE',
        help='do not repeat the stages of these names (patterns such as csv-*) that finished in --work_dir by the same '
        'command; all, if none is named',
    )
    return parser


def near(path: str) -> str:
    """Returns a path of the repository as seen from the current folder."""
    return os.path.relpath(_HERE.parent / path)


def read_json(path: pathlib.Path | str) -> Any:
    """Reads a JSON file."""
    return json.loads(pathlib.Path(path).read_text('utf-8'))


def _say(text: str) -> None:
    print(f'benchmarks: {text}', file=sys.stderr, flush=True)
