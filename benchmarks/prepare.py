"""Measures `arxiv-tagger prepare` beside what a user could take instead, and writes its section of RESULTS.md.

    make bench-prepare ARGS='--data_dir folder/with/arxiv-1986-2019'

Each measurement is a program of its own; this one imports nothing heavy, makes the inputs once, starts the programs one
after the other, watches their processes, and writes down what they took. README.md beside this file says how long.
"""

from __future__ import annotations

import argparse
import dataclasses
import glob
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import machine
import prepare_inputs
import prepare_report
from process_tree import TreeUsage, measure
from sections import write_section
from stages import input_flags

_HERE = pathlib.Path(__file__).resolve().parent
_DUMPS = 'arxiv-1986-2019/*.jsonl.zst'

Result = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Bench:
    """The inputs, and how programs are run on them.

    Attributes:
        dumps: pattern of the dumps.
        scratch: folder for everything that is made.
        arguments: the flags.
    """

    dumps: str
    scratch: pathlib.Path
    arguments: argparse.Namespace

    def input(self, what: str, name: str, *flags: str, dumps: str | None = None) -> str:
        """Makes an input unless it is there; returns its path."""
        path = self.scratch / 'inputs' / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            command = ('prepare_inputs.py', what, '--input', dumps or self.dumps, '--output', str(path), *flags)
            self.script(f'input-{name}', *command)
        return str(path)

    def cut(self) -> str:
        """Returns the folder of mixed files of equal size."""
        return self.input('cut', 'mixed')

    def papers(self, number: int) -> str:
        """Returns a file of clean papers, mixed of all dumps."""
        mixed = os.path.join(self.cut(), 'mixed-*.jsonl.zst')
        return self.input('papers', f'papers-{number}', '--number', str(number), dumps=mixed)

    def mixed(self, number: int) -> list[str]:
        """Returns the mixed files that hold the first `number` records, or all if there are fewer."""
        folder, files = self.cut(), -(-number // prepare_inputs.CUT_PAPERS)
        paths = [os.path.join(folder, prepare_inputs.cut_name(place)) for place in range(files)]
        return [path for path in paths if os.path.exists(path)]

    def script(self, name: str, script: str, *flags: str) -> TreeUsage:
        """Runs a program that stands beside this one."""
        return self._run(name, (sys.executable, str(_HERE / script), *flags))

    def prepare(self, name: str, inputs: Sequence[str], *flags: str) -> Result:
        """Runs `arxiv-tagger prepare`; returns its usage and its statistics. Its output is at `output(name)`."""
        program = pathlib.Path(sys.executable).with_name('arxiv-tagger')
        output = self.output(name)
        shutil.rmtree(output, ignore_errors=True)
        usage = self._run(name, (str(program), 'prepare', *input_flags(inputs), '--output_dir', str(output), *flags))
        statistics = json.loads((output / 'statistics.json').read_text('utf-8'))
        kept = {key: statistics[key] for key in ('read', 'kept', 'splits', 'ngrams')}
        return {'usage': usage.to_json(), 'statistics': kept, 'flags': list(flags)}

    def job(self, name: str, *command: str) -> Result:
        """Runs a program that says what it took in a file; returns that and its usage."""
        result = self.output(name).with_suffix('.json')
        usage = self.script(name, *command, '--result', str(result))
        return json.loads(result.read_text('utf-8')) | {'usage': usage.to_json()}

    def output(self, name: str) -> pathlib.Path:
        """Returns where a program writes."""
        return self.scratch / 'outputs' / name

    def _run(self, name: str, command: Sequence[str]) -> TreeUsage:
        log = self.scratch / 'logs' / f'{name}.txt'
        for folder in (log.parent, self.output(name).parent):
            folder.mkdir(parents=True, exist_ok=True)
        usage = measure(command, log)
        took = f'{usage.seconds:.1f} s, {usage.cpu_seconds:.1f} s of CPU, {usage.peak_pss / 1e9:.2f} GB'
        print(f'benchmarks: {name}: {took}', file=sys.stderr, flush=True)
        return usage


def stock(bench: Bench) -> Result:
    """Times analyze, transform and write against stock tf.Transform, in turn."""
    number = bench.arguments.stock_papers
    papers = bench.papers(number)
    runs: dict[str, list[Result]] = {'ours': [], 'stock': []}
    for _ in range(bench.arguments.rounds):
        for whose, results in runs.items():
            name = f'job-{whose}'
            output = str(bench.output(name))
            results.append(bench.job(name, 'prepare_job.py', whose, '--papers', papers, '--output_dir', output))
    whole = bench.prepare('job-command', bench.mixed(number), '--direct_num_workers', '1')
    return runs | {'command': whole}


def whole(bench: Bench) -> Result:
    """Runs the whole command on all papers, with all cores and in one process, and scikit-learn on their texts."""
    return {
        'default': bench.prepare('whole', [bench.dumps]),
        'one': bench.prepare('whole-one', [bench.dumps], '--direct_num_workers', '1'),
        'sklearn': bench.job('sklearn', 'prepare_peers.py', 'sklearn', '--texts', bench.input('texts', 'texts')),
    }


def growth(bench: Bench) -> Result:
    """Runs the command on more and more papers, and on a thousand, which is the time that any run takes."""
    start = bench.prepare('growth-start', [os.path.join(bench.cut(), 'thousand.jsonl.zst')])
    sizes = [bench.prepare(f'growth-{size}', bench.mixed(size)) for size in bench.arguments.sizes]
    return {'start': start, 'sizes': sizes}


def incremental(bench: Bench) -> Result:
    """Runs all dumps but one with a cache, then all with that cache, and all from scratch."""
    *earlier, _ = paths = sorted(glob.glob(bench.dumps))
    cache = bench.scratch / 'outputs' / 'cache'
    shutil.rmtree(cache, ignore_errors=True)
    with_cache = ('--analysis_cache_dir', str(cache))
    filling = bench.prepare('cache-filling', earlier, *with_cache)
    cached = sum(file.stat().st_size for file in cache.rglob('*') if file.is_file())
    scratch = bench.prepare('cache-without', paths)
    warm = bench.prepare('cache-warm', paths, *with_cache)
    return {
        'dumps': len(paths),
        'filling': filling,
        'warm': warm,
        'scratch': scratch,
        'cache_bytes': cached,
        'different': _different(bench.output('cache-without'), bench.output('cache-warm')),
    }


def keras(bench: Bench) -> Result:
    """Adapts Keras' layer, and runs our job, on the same papers."""
    number = bench.arguments.keras_papers
    texts, papers = bench.input('texts', 'texts'), bench.papers(number)
    ours = ('prepare_job.py', 'ours', '--papers', papers, '--output_dir', str(bench.output('keras-ours')))
    layer = ('prepare_peers.py', 'keras', '--texts', texts, '--number', str(number))
    return {'keras': bench.job('keras', *layer), 'ours': bench.job('keras-ours', *ours)}


_SECTIONS: dict[str, Callable[[Bench], Result]] = {
    'stock': stock,
    'whole': whole,
    'growth': growth,
    'incremental': incremental,
    'keras': keras,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the measurements and writes the report."""
    arguments = _flags().parse_args(argv)
    scratch = pathlib.Path(arguments.scratch)
    results = scratch / 'results'
    results.mkdir(parents=True, exist_ok=True)
    bench = Bench(os.path.join(arguments.data_dir, _DUMPS), scratch, arguments)
    if not glob.glob(bench.dumps):
        raise SystemExit(f'benchmarks: found no dumps {bench.dumps}; say --data_dir')
    for name in arguments.only or _SECTIONS:
        result = {'on': machine.machine(), 'versions': machine.versions()} | _SECTIONS[name](bench)
        (results / f'{name}.json').write_text(json.dumps(result, indent=1) + '\n', 'utf-8')
    found = {
        name: json.loads(file.read_text('utf-8')) for name in _SECTIONS if (file := results / f'{name}.json').exists()
    }
    earlier = [name for name in found if arguments.only and name not in arguments.only]
    write_section(arguments.output, 'prepare', prepare_report.render(found, earlier))
    print(f'benchmarks: {arguments.output}', file=sys.stderr)


def _different(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """Returns the files that are not in both folders with the same bytes."""
    contents = [
        {str(file.relative_to(folder)): file for file in folder.rglob('*') if file.is_file()} for folder in (one, other)
    ]
    return sorted(
        name
        for name in contents[0].keys() | contents[1].keys()
        if not all(name in content for content in contents)
        or contents[0][name].read_bytes() != contents[1][name].read_bytes()
    )


def _flags() -> argparse.ArgumentParser:
    near = os.path.relpath(_HERE.parent)
    flags = argparse.ArgumentParser(description=__doc__.split('\n\n')[0], allow_abbrev=False)
    flags.add_argument('--data_dir', default=f'{near}/../shared/data', metavar='DIR', help=f'folder that has {_DUMPS}')
    flags.add_argument('--only', nargs='+', choices=_SECTIONS, metavar='SECTION', help=', '.join(_SECTIONS))
    flags.add_argument('--sizes', type=int, nargs='+', default=[50_000, 100_000, 200_000, 545_282], metavar='PAPERS')
    flags.add_argument('--stock_papers', type=int, default=100_000, metavar='N', help='papers for stock')
    flags.add_argument('--keras_papers', type=int, default=33_000, metavar='N', help='papers for keras')
    flags.add_argument('--rounds', type=int, default=3, metavar='N', help='times that stock is run')
    flags.add_argument('--scratch', default=f'{near}/build/bench/prepare', metavar='DIR', help='folder for all files')
    flags.add_argument('--output', default=f'{near}/benchmarks/RESULTS.md', metavar='FILE', help='the report')
    return flags


if __name__ == '__main__':
    main()
