"""The section of RESULTS.md that prepare.py writes, made of what was measured and nothing else."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from process_tree import TreeUsage
from report import memory_curve, table, verdict

Results = Mapping[str, Any]


class Goal(NamedTuple):
    """A row of the table of goals: what was measured, against what, and the ratio that decides."""

    work: str
    peer: str
    goal: str
    measured: str
    met: bool | None


def render(results: Results, earlier: Sequence[str]) -> str:
    """Writes the section.

    Args:
        results: what was measured, by section of prepare.py; whichever there are.
        earlier: those that are kept from an earlier run.
    """
    sections = {
        'stock': ('Analyze, transform and write, in one process', _stock),
        'whole': ('The whole command, all papers', _whole),
        'growth': ('Growth', _growth),
        'incremental': ('One dump more, with a cache', _incremental),
        'keras': ('Keras', _keras),
    }
    on = next(iter(results.values()))
    loads = [usage.load_before for usage in _usages(results)]
    parts = [
        '# Speed and memory of `prepare`',
        'Written by `benchmarks/prepare.py`; do not edit. README.md beside this file says what is measured and how.',
        f'- Machine: {on["on"]}. Load average before each program: {min(loads):.1f} to {max(loads):.1f} (the program '
        'before it shows in it; above the number of cores other work went on beside it).\n'
        f'- Versions: {on["versions"]}.\n'
        f'- Kept from an earlier run (`--only`): {", ".join(earlier) or "nothing"}.\n'
        '- Memory: the largest sum over all processes of a program. *PSS* counts a page that n processes share as 1/n '
        'in each, so it is the memory in use; *RSS* counts it n times.',
        table(['work', 'peer', 'goal', 'measured', ''], [_goal_row(goal) for goal in _goals(results)], left=4),
    ]
    for name, (title, write) in sections.items():
        if name in results:
            parts += [f'## {title}', *write(results[name])]
    return '\n\n'.join(parts)


def slope(papers: Sequence[float], seconds: Sequence[float]) -> float:
    """Returns the exponent b of seconds = a * papers**b that fits best by least squares of the logarithms.

    >>> round(slope([1, 2, 4], [3, 6, 12]), 6)
    1.0
    """
    return statistics.linear_regression([math.log(x) for x in papers], [math.log(y) for y in seconds]).slope


def _goals(results: Results) -> Iterator[Goal]:
    if stock := results.get('stock'):
        ours, peer = (_median(stock[whose], 'job_seconds') for whose in ('ours', 'stock'))
        work = f'analyze, transform and write, {stock["ours"][0]["papers"]:,} papers, one process'
        goal = 'at least 6 times faster; try for 8'
        yield Goal(work, 'stock tf.Transform', goal, f'{peer / ours:.1f} times', peer / ours >= 6)
    if whole := results.get('whole'):
        ours, one = (_usage(whole[name]) for name in ('default', 'one'))
        peer = whole['sklearn']['job_seconds']
        work, papers = 'whole `prepare`', f'{whole["default"]["statistics"]["read"]:,} papers'
        measured = f'{ours.seconds / peer:.2f} of its time'
        yield Goal(f'{work}, {papers}', 'TfidfVectorizer', 'no slower; try for half', measured, ours.seconds <= peer)
        yield Goal(f'{work}, peak memory', '', '<= 4 GB', _gigabytes(ours.peak_pss), ours.peak_pss <= 4e9)
        ratio = one.seconds / ours.seconds
        yield Goal(work, 'one process', '>= 1.5 times faster', f'{ratio:.2f} times', ratio >= 1.5)
    if growth := results.get('growth'):
        papers, seconds, _ = _sizes(growth)
        if len(papers) > 1:
            work = f'growth, {papers[0]:,} to {papers[-1]:,} papers'
            found = slope(papers, seconds)
            yield Goal(work, 'linear', 'log-log slope <= 1.05', f'{found:.3f}', found <= 1.05)
    if cached := results.get('incremental'):
        ratio = _usage(cached['warm']).seconds / _usage(cached['scratch']).seconds
        work = f'adding one of {cached["dumps"]} dumps, warm cache'
        yield Goal(work, 'from scratch', '<= 1/3 of its time', f'{ratio:.2f} of its time', ratio <= 1 / 3)
    if keras := results.get('keras'):
        ours, peer = keras['ours']['job_seconds'], keras['keras']['job_seconds']
        work = f'analyze, transform and write, {keras["ours"]["papers"]:,} papers'
        yield Goal(work, '`TextVectorization.adapt` alone', 'stated', f'{ours / peer:.2f} of its time', None)


def _goal_row(goal: Goal) -> list[str]:
    return [goal.work, goal.peer, goal.goal, goal.measured, verdict(goal.met)]


def _stock(result: Results) -> Iterator[str]:
    def rows() -> Iterator[list[str]]:
        for whose, name in (('ours', '**arxiv-tagger**'), ('stock', 'stock tf.Transform')):
            runs = result[whose]
            cells = [_min_median(runs, key) for key in ('job_seconds', 'job_cpu_seconds', 'import_seconds')]
            wall = [_usage(run).seconds for run in runs]
            yield [name, *cells, _pair(wall), *_peaks(max((_usage(run) for run in runs), key=lambda u: u.peak_pss))]

    ours, peer = (_median(result[whose], 'job_cpu_seconds') for whose in ('ours', 'stock'))
    whole = [statistics.median(_usage(run).seconds for run in result[whose]) for whose in ('ours', 'stock')]
    command = _usage(result['command'])
    yield table(['', 'wall, s', 'CPU, s', 'imports, s', 'with imports and loading, s', 'PSS, GB', 'RSS, GB'], rows())
    yield '\n'.join(
        [
            f'- Smallest and median; runs of each, in turn: {len(result["ours"])}. Both begin with the same '
            f'{result["ours"][0]["papers"]:,} clean papers (title and abstract) in memory, divided 90, 5, 5, and end '
            "with the same three splits as TFRecords and the transform graph; both run on Beam's in-process runner, "
            'one process, with the threads that TensorFlow takes by itself; nothing is pinned to a core.',
            '- Ours also spells the n-grams and writes vocabulary/ngrams.tsv. The peer is `stock_prepare.py`: '
            '`compute_and_apply_vocabulary`, a dense sum of document frequencies, its shards by our fast writer.',
            f'- By CPU time ours is {peer / ours:.1f} times as fast; with imports and loading '
            f'{whole[1] / whole[0]:.1f} times by wall time.',
            f'- The whole command on these papers, in one process, from dumps (reading, cleaning, duplicates and '
            f'split too): {command.seconds:.1f} s, {command.cpu_seconds:.1f} s of CPU, imports included.',
        ]
    )


def _whole(result: Results) -> Iterator[str]:
    names = {'default': '**prepare**, default flags', 'one': 'prepare, one process', 'sklearn': 'TfidfVectorizer'}
    rows = []
    for key, name in names.items():
        usage = _usage(result[key])
        wall = result[key].get('job_seconds', usage.seconds)
        cpu = result[key].get('job_cpu_seconds', usage.cpu_seconds)
        rows.append([name, f'{wall:.1f}', f'{cpu:.1f}', *_peaks(usage), str(usage.processes)])
    yield table(['', 'wall, s', 'CPU, s', 'PSS, GB', 'RSS, GB', 'processes'], rows)
    found = result['default']['statistics']
    yield '\n'.join(
        [
            f'- `prepare` reads {found["read"]:,} papers, keeps {found["kept"]:,} and writes all outputs; start-up '
            'is in its time.',
            f'- `TfidfVectorizer(ngram_range=(1, 2), max_features=150000)`: `fit_transform` alone, of '
            f'{result["sklearn"]["papers"]:,} texts (title and abstract) that are in memory already; one core.',
        ]
    )
    yield 'Memory of `prepare`, default flags, over time (PSS, the largest of each stretch):'
    yield memory_curve(_usage(result['default']))


def _growth(result: Results) -> Iterator[str]:
    papers, seconds, usages = _sizes(result)
    start = _usage(result['start'])
    found = [run['statistics']['ngrams']['distinct'] for run in result['sizes']]
    cells = zip(papers, usages, found, strict=True)
    columns = ['papers', 'wall, s', 'CPU, s', 'ms a paper', 'PSS, GB', 'RSS, GB', 'distinct n-grams']
    yield table(
        columns,
        [
            [
                f'{number:,}',
                f'{usage.seconds:.1f}',
                f'{usage.cpu_seconds:.1f}',
                f'{1000 * (usage.seconds - start.seconds) / number:.3f}',
                *_peaks(usage),
                f'{ngrams:,}',
            ]
            for number, usage, ngrams in cells
        ],
    )
    lines = [
        f'- Mixed files of equal size, more and more of them, default flags. A run on 1,000 papers takes '
        f'{start.seconds:.1f} s; that is taken off in *ms a paper*.'
    ]
    if len(papers) > 1:
        beyond = slope(papers, [max(each - start.seconds, 1e-3) for each in seconds])
        cpu = slope(papers, [usage.cpu_seconds for usage in usages])
        lines.append(
            f'- Log-log slope by least squares: {slope(papers, seconds):.3f} as measured, {beyond:.3f} with the '
            f'start-up taken off; of CPU time {cpu:.3f}; of distinct n-grams (of training papers) '
            f'{slope(papers, found):.3f}.'
        )
    yield '\n'.join(lines)
    yield f'Memory over time, {papers[-1]:,} papers:'
    yield memory_curve(usages[-1])


def _incremental(result: Results) -> Iterator[str]:
    dumps = result['dumps']
    names = {
        'scratch': f'{dumps} dumps, no cache',
        'filling': f'{dumps - 1} dumps, filling the cache',
        'warm': f'{dumps} dumps, {dumps - 1} of them in the cache',
    }
    rows = []
    for key, name in names.items():
        usage = _usage(result[key])
        rows.append([name, f'{usage.seconds:.1f}', f'{usage.cpu_seconds:.1f}', *_peaks(usage)])
    yield table(['', 'wall, s', 'CPU, s', 'PSS, GB', 'RSS, GB'], rows)
    size, papers = result['cache_bytes'], result['filling']['statistics']['read']
    same = 'the same, byte for byte' if not result['different'] else f'NOT the same: {", ".join(result["different"])}'
    yield (
        f'- Output folders of the first and the last: {same}.\n'
        f'- The cache: {size / 1e9:.2f} GB, {size / papers:,.0f} bytes a paper.'
    )


def _keras(result: Results) -> Iterator[str]:
    rows = []
    for key, name in {'ours': '**arxiv-tagger**', 'keras': '`TextVectorization.adapt`'}.items():
        seconds, cpu_seconds = (f'{result[key][name_]:.1f}' for name_ in ('job_seconds', 'job_cpu_seconds'))
        rows.append([name, seconds, cpu_seconds, *_peaks(_usage(result[key]))])
    yield table(['', 'wall, s', 'CPU, s', 'PSS, GB', 'RSS, GB'], rows)
    yield (
        f'- {result["keras"]["papers"]:,} papers, text in memory, imports not counted, one process. '
        "`TextVectorization(ngrams=2, max_tokens=150000, output_mode='tf_idf').adapt` makes the vocabulary and its "
        'weights; ours does that, transforms the papers and writes TFRecords, graph and list of n-grams.'
    )


def _sizes(result: Results) -> tuple[list[int], list[float], list[TreeUsage]]:
    usages = [_usage(run) for run in result['sizes']]
    return [run['statistics']['read'] for run in result['sizes']], [usage.seconds for usage in usages], usages


def _usage(result: Results) -> TreeUsage:
    return TreeUsage.from_json(result['usage'])


def _usages(value: Any) -> Iterator[TreeUsage]:
    """Yields all usages that stand somewhere in what was measured."""
    if isinstance(value, Mapping):
        if 'usage' in value:
            yield _usage(value)
        for inner in value.values():
            yield from _usages(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _usages(inner)


def _median(runs: Sequence[Results], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _min_median(runs: Sequence[Results], key: str) -> str:
    return _pair([run[key] for run in runs])


def _pair(values: Sequence[float]) -> str:
    return f'{min(values):.1f}, {statistics.median(values):.1f}'


def _peaks(usage: TreeUsage) -> list[str]:
    return [f'{usage.peak_pss / 1e9:.2f}', f'{usage.peak_rss / 1e9:.2f}']


def _gigabytes(size: int) -> str:
    return f'{size / 1e9:.2f} GB'
