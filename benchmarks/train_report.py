"""The section of RESULTS.md that train.py writes."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import report
from process_tree import TreeUsage
from report import FIGURES, best_svc, gigabytes, memory_curve, table, verdict
from stages import Measured

Results = Mapping[str, Measured]

# Memory that stays within this is called flat.
_FLAT = 1.05


class Goal(NamedTuple):
    """A row of the table of goals: what was measured, against what, and whether that is enough."""

    work: str
    goal: str
    measured: str
    met: bool | None = None


class Growth(NamedTuple):
    """The largest proportional sets, in bytes: in the first quarter of the last epoch's steps, and in the last."""

    first: int
    last: int

    @property
    def ratio(self) -> float:
        """How much memory grows."""
        return self.last / self.first


def growth(usage: TreeUsage) -> Growth:
    """Finds out whether training needs the more memory the more papers it has seen.

    It looks at the last epoch, which begins when the line of the one before is printed, and goes on as long as its own
    line says that its steps took: the first epoch's validation adds something, once.
    """
    ends = [
        (seen, float(said[1])) for seen, line in usage.said if (said := re.match(r'Epoch .* (\d+\.\d) s( |$)', line))
    ]
    begin = ends[-2][0] if len(ends) > 1 else ends[-1][0] - ends[-1][1]
    end = begin + ends[-1][1]
    quarter = (end - begin) / 4
    first = max(size for seconds, size in usage.curve if begin <= seconds <= begin + quarter)
    return Growth(first, max(size for seconds, size in usage.curve if end - quarter <= seconds <= end))


def render(results: Results, machine: str, versions: str) -> str:
    """Writes the section.

    Args:
        results: what was measured, by stage of train.py.
        machine: what it ran on.
        versions: of the packages.
    """
    lines = [report.papers('papers', results['prepare'])]
    if 'all_prepare' in results:
        lines.append(report.papers('all papers', results['all_prepare']))
    settings = report.settings(results['train'].result['config'])
    lines += [
        report.circumstances(results, machine, versions),
        f'- Settings of arxiv-tagger, its defaults: {settings}.',
        '- Memory: the largest sum of the proportional sets of a program and its children.',
    ]
    goals = [[goal.work, goal.goal, goal.measured, verdict(goal.met)] for goal in _goals(results)]
    parts = [
        report.heading('Speed and memory of `train`', 'train.py'),
        '\n'.join(lines),
        table(['', 'goal', 'measured', ''], goals, left=3),
        '## A training epoch, sparse and dense',
        *_steps(results),
        '## Time to the nDCG@5 of LinearSVC',
        *_target(results),
    ]
    if 'all_train' in results:
        parts += ['## All papers', *_all(results)]
    parts += ['## Accelerators', *_accelerators(results)]
    parts += ['## Time and memory of each program', report.usage_table(results)]
    parts += ['## Commands', report.commands(results)]
    return '\n\n'.join(parts)


def _goals(results: Results) -> Iterator[Goal]:
    steps = results['step_times'].result
    faster = steps['dense']['epoch_of_median'] / steps['sparse']['epoch_of_median']
    work = "an epoch against one of the recipe's dense model"
    yield Goal(f'{work}, median steps', 'at least 10 times faster', f'{faster:.1f} times', faster >= 10)
    faster = steps['dense']['epoch_of_median'] / results['train'].result['seconds_per_epoch']
    yield Goal(f'{work}, a whole epoch of ours', 'at least 10 times faster', f'{faster:.1f} times', faster >= 10)
    runs, svc = _runs(results), _svc_seconds(results)
    slowest = max(run['seconds'] for run in runs)
    reached = all(run['reached'] for run in runs)
    measured = f'{slowest / svc:.2f} of its time' if reached else 'not reached'
    work, goal = 'time to the test nDCG@5 of LinearSVC, slowest seed', 'at most half of its vectorize + fit'
    yield Goal(work, goal, measured, reached and slowest <= svc / 2)
    ratio = steps['reading']['papers_per_second'] * steps['sparse']['median'] / steps['sparse']['batch_size']
    yield Goal('papers read a second against papers in steps', '>= 3 times', f'{ratio:.1f} times', ratio >= 3)
    yield Goal('`train`, peak memory', 'stated', gigabytes(results['train'].usage.peak_pss))
    if 'all_train' in results:
        train = results['all_train']
        papers = f'{results["all_prepare"].result["splits"]["train"]:,} training papers'
        yield Goal(papers, 'stated', f'{train.result["seconds_per_epoch"] / 60:.2f} minutes an epoch')
        measured = f'{growth(train.usage).ratio:.2f}: last quarter / first quarter'
        met = growth(train.usage).ratio <= _FLAT
        yield Goal(f'{papers}, memory in training', f'flat: <= {_FLAT}', measured, met)


def _steps(results: Results) -> Iterator[str]:
    steps = results['step_times'].result
    yield _step_table({'arxiv-tagger, sparse': steps['sparse'], 'the recipe, dense': steps['dense']})
    faster = sorted(1 / ratio for ratio in steps['ratios_of_blocks'])
    reading = steps['reading']
    yield '\n'.join(
        [
            '- Steps of both were run in turn, in one process, in blocks of 30 sparse and 6 dense ones (10 and 1 not '
            'counted), so that other load met both; reading a batch is in its step. Both read title and abstract. In '
            f'single blocks an epoch of ours is {faster[0]:.1f} to {faster[-1]:.1f} times as fast.',
            f'- A whole epoch: {results["train"].result["seconds_per_epoch"]:.1f} s, as `train` says (mean of its '
            f'epochs, validation left out); of the dense model, the median step times the steps: '
            f'{steps["dense"]["epoch_of_median"]:.1f} s.',
            f'- Reading alone, a pass of {reading["papers"]:,} papers in the order of an epoch after one that was not '
            f'timed: {reading["seconds"]:.2f} s, {reading["papers_per_second"]:,.0f} papers a second; in steps: '
            f'{steps["sparse"]["batch_size"] / steps["sparse"]["median"]:,.0f}.',
            '- The published program also splits and counts its text in each epoch; that is left out here.',
        ]
    )


def _step_table(models: Mapping[str, Mapping[str, Any]]) -> str:
    columns = ['', 'steps measured', 'step: min', 'median', 'batch', 'steps an epoch', 'epoch at the median']
    return table(
        columns,
        [
            [
                name,
                str(times['measured']),
                f'{1000 * times["min"]:.1f} ms',
                f'{1000 * times["median"]:.1f} ms',
                str(times['batch_size']),
                str(times['steps_per_epoch']),
                f'{times["epoch_of_median"]:.2f} s',
            ]
            for name, times in models.items()
        ],
    )


def _runs(results: Results) -> list[Mapping[str, Any]]:
    return [measured.result for name, measured in results.items() if name.startswith('time_to_target-')]


def _svc_seconds(results: Results) -> float:
    svc = results['linear_svc']
    return svc.result['vectorize_seconds'] + best_svc(svc)['seconds']


def _target(results: Results) -> Iterator[str]:
    svc, prepare = results['linear_svc'], results['prepare'].usage.seconds
    best, whole = best_svc(svc), _svc_seconds(results)
    rows = [[f'LinearSVC, C = {best["c"]:g}', f'{best["ndcg_at_5"]:.4f}', '', f'{whole:.1f} s', '', '']]
    for number, run in enumerate(_runs(results), start=1):
        seconds = run['seconds']
        with_imports = seconds + run['import_seconds']
        took = f'{seconds:.1f} s' if run['reached'] else f'not in {seconds:.1f} s'
        epochs = f'{run["epochs"]:.2f} of {run["epochs_planned"]}'
        totals = [f'{with_imports:.1f} s', f'{with_imports + prepare:.1f} s']
        rows.append([f'arxiv-tagger, run {number}', f'{run["points"][-1][2]:.4f}', epochs, took, *totals])
    columns = ['', 'test nDCG@5', 'epochs', 'seconds', 'with imports', 'and with `prepare`']
    yield table(columns, rows)
    mean = statistics.fmean(run['seconds'] for run in _runs(results))
    yield '\n'.join(
        [
            f'- LinearSVC: TfidfVectorizer(ngram_range=(1, 2), max_features=150000), '
            f'{svc.result["vectorize_seconds"]:.1f} s, and OneVsRestClassifier(LinearSVC(C)), {best["seconds"]:.1f} s, '
            'on the training papers, text in memory, one process; C by nDCG@5 on the validation papers.',
            '- arxiv-tagger: default settings, a seed a run. The clock runs from opening the TFRecords on: checking '
            'them, building and tracing the model, reading, steps. It stands still while the model is measured on the '
            'test papers, every 20 steps from half an epoch on. Mean of the runs: '
            f'{mean:.1f} s, {mean / whole:.2f} of the time of LinearSVC.',
            f'- `prepare` reads, cleans, divides and vectorizes the papers of all splits, and writes them: '
            f'{prepare:.1f} s.',
        ]
    )


def _all(results: Results) -> Iterator[str]:
    prepare, train = results['all_prepare'], results['all_train']
    ours, grown = train.result, growth(train.usage)
    yield '\n'.join(
        [
            f'- `prepare`: {prepare.usage.seconds:.0f} s in all, {gigabytes(prepare.usage.peak_pss)}.',
            f'- `train --epochs {ours["config"]["epochs"]}`: {ours["seconds_per_epoch"] / 60:.2f} minutes an epoch, '
            f'{train.usage.seconds / 60:.1f} minutes in all, with imports, validation, thresholds and export; '
            f'{ours["labels"]} labels with training papers.',
            f'- Memory: at most {gigabytes(train.usage.peak_pss)}; in the first quarter of the steps of the last '
            f'epoch {gigabytes(grown.first)}, in the last {gigabytes(grown.last)}. Validation adds some, once.',
        ]
    )
    splits: Sequence[str] = ('validation', 'test')
    rows = [[split, *(f'{ours[split][figure]:.4f}' for figure in FIGURES)] for split in splits]
    yield table(['', *FIGURES.values()], rows)
    yield 'Memory of `train` over time (the largest of each stretch):'
    yield memory_curve(train.usage)


def _accelerators(results: Results) -> Iterator[str]:
    if 'gpu' not in results or results['gpu'].result['gpu'] is None:
        yield '- GPU: not measured; none was at hand.\n- TPU: not measured; none was at hand.'
        return
    gpu, mixed = results['gpu'].result, results['gpu_mixed'].result['sparse']
    models = {'arxiv-tagger, sparse, float32': gpu['sparse'], 'arxiv-tagger, sparse, --precision auto': mixed}
    yield _step_table({**models, 'the recipe, dense, float32': gpu['dense']})
    yield f'- GPU: {gpu["gpu"]}, by stages that alone may use it.\n- TPU: not measured; none was at hand.'
