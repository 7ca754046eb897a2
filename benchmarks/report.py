"""RESULTS.md, made of what was measured and nothing else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from machine import Usage

# Figure, what the tables call it, what it has to reach on the Kaggle file (38,864 records), if anything.
_FIGURES = (
    ('precision_at_1', 'P@1', 0.94),
    ('precision_at_3', 'P@3', None),
    ('precision_at_5', 'P@5', None),
    ('ndcg_at_5', 'nDCG@5', 0.92),
    ('micro_f1_best', 'micro-F1, best', 0.72),
    ('macro_f1_at_best', 'macro-F1, best', None),
    ('micro_f1', 'micro-F1', None),
    ('macro_f1', 'macro-F1', None),
)
_EPOCH_RATIO = 1 / 5


@dataclasses.dataclass(frozen=True)
class Measured:
    """A program that ran: its command, what it took, what it said, and whether that was in an earlier run."""

    command: Sequence[str]
    usage: Usage
    result: Mapping[str, Any]
    reused: bool = False


def render(results: Mapping[str, Measured], machine: str, versions: str) -> str:
    """Writes the report.

    Args:
        results: what was measured, by stage of quality.py.
        machine: what it ran on.
        versions: of the packages.

    Raises:
        SystemExit: if the methods did not see the same papers.
    """
    methods = _methods(results)
    _check_same_papers(methods)
    sections = (
        '# Quality and speed, side by side',
        'Written by `benchmarks/quality.py`; do not edit. README.md beside this file says what is measured and how.',
        _circumstances(results, machine, versions),
        '## Quality on the test papers',
        _table(['', *(name for _, name, _ in _FIGURES)], [_quality_row(*method) for method in methods.items()]),
        _quality_notes(results),
        '## A training epoch, sparse and dense',
        _step_table(results),
        _step_notes(results),
        '## Targets',
        _target_table(results),
        '## Time and memory of each program',
        _usage_table(results),
        '## Commands',
        '```\n' + '\n'.join(' '.join(measured.command) for measured in results.values()) + '\n```',
    )
    return '\n\n'.join(sections) + '\n'


def _methods(results: Mapping[str, Measured]) -> dict[str, Mapping[str, Any]]:
    chosen = _chosen_svc(results)
    # scikit-learn's default stands beside the choice.
    svc = {one['c']: one for one in results['linear_svc'].result['tried'] if one is chosen or one['c'] == 1}
    epochs = results['recipe'].result['epochs']
    recipes = {
        f'the recipe, dense, after {number} epoch{"s" if number > 1 else ""}': figures
        for number, figures in enumerate(epochs, start=1)
    }
    return {
        '**arxiv-tagger**, defaults': results['exported'].result,
        **recipes,
        **{f'LinearSVC, C = {c:g}{", chosen" if one is chosen else ""}': one for c, one in svc.items()},
    }


def _chosen_svc(results: Mapping[str, Measured]) -> Mapping[str, Any]:
    return max(results['linear_svc'].result['tried'], key=lambda tried: tried['validation_ndcg_at_5'])


def _check_same_papers(methods: Mapping[str, Mapping[str, Any]]) -> None:
    for name in ('validation_papers', 'test_papers'):
        if len({figures[name] for figures in methods.values()}) != 1:
            raise SystemExit(f'benchmarks: the methods had different {name}; run all stages anew, without --reuse.')


def _circumstances(results: Mapping[str, Measured], machine: str, versions: str) -> str:
    statistics = results['prepare'].result
    splits = ', '.join(f'{count:,} {split}' for split, count in statistics['splits'].items())
    command = results['prepare'].command
    inputs = ', '.join(f'`{command[place + 1]}`' for place, word in enumerate(command) if word == '--input')
    reused = [name for name, measured in results.items() if measured.reused]
    loads = [measured.usage.load_before for measured in results.values()]
    return '\n'.join(
        [
            f'- Papers: {inputs}, {statistics["read"]:,} records, of which {statistics["kept"]:,} kept: {splits}; '
            f'{len(statistics["labels"])} labels. All methods had the same papers (checked by id).',
            f'- Machine: {machine}. Load average before each program: {min(loads):.1f} to {max(loads):.1f} (above the '
            'number of cores: other work went on beside it, and times are too long by it).',
            f'- Versions: {versions}.',
            f'- Kept from an earlier run (`--reuse`): {", ".join(reused) or "nothing"}.',
        ]
    )


def _quality_row(name: str, figures: Mapping[str, Any]) -> list[str]:
    return [name, *(f'{figures[figure]:.4f}' for figure, _, _ in _FIGURES)]


def _quality_notes(results: Mapping[str, Measured]) -> str:
    svc = results['linear_svc'].result
    tried = ', '.join(f'{one["c"]:g}: {one["validation_ndcg_at_5"]:.4f}' for one in svc['tried'])
    trained = results['exported'].result['trained']
    differences = [abs(trained['test'][name] - results['exported'].result[name]) for name, _, _ in _FIGURES[:4]]
    prepared = results['recipe'].result['ngrams']
    papers, precision = results['exported'].result['papers'], results['exported'].result['precision_at_1']
    error = math.sqrt(precision * (1 - precision) / papers)
    return '\n'.join(
        [
            f'- {papers:,} papers: the standard error of a P@1 is {error:.3f}; smaller differences say little.',
            '- *best*: at the single threshold that is best for micro-F1 on the test papers themselves: a ceiling, for '
            'every method alike. The last two columns are at the threshold that is best on the validation papers.',
            '- All are measured by `trainer.metrics.StreamingMetrics`; the decision values of LinearSVC go through '
            '1 / (1 + exp(-x)) first, which keeps their order.',
            '- arxiv-tagger is measured from raw text through the exported model. `metrics.json` of `train`, which '
            f'measures the stored n-grams, differs by {max(differences):.6f} at most in P@k and nDCG@5. Best on the '
            f'validation papers: epoch {trained["best_epoch"]} of {trained["epochs"]}. Settings: '
            f'{_settings(trained["config"])}.',
            f'- The recipe: abstracts only, {prepared:,} n-grams weighted as TextVectorization does, dense rows, 512 '
            'and 256 units, Adam, batches of 128, no dropout. The published program trains for 20 epochs, this one '
            'for as many as the table has rows. ' + _losses(results),
            f'- LinearSVC: one against the rest, on its own TfidfVectorizer (1- and 2-grams, {svc["ngrams"]:,}) of '
            f'title and abstract; C by nDCG@5 on the validation papers ({tried}).',
        ]
    )


def _losses(results: Mapping[str, Measured]) -> str:
    epochs = results['recipe'].result['epochs']
    losses = ', '.join(f'{epoch["loss"]:.4f}' for epoch in epochs)
    validation = ', '.join(f'{epoch["validation_ndcg_at_5"]:.4f}' for epoch in epochs)
    return f'Loss by epoch: {losses}; nDCG@5 on the validation papers: {validation}.'


def _settings(config: Mapping[str, Any]) -> str:
    return ', '.join(f'{name} {_value(value)}' for name, value in config.items())


def _value(value: Any) -> str:
    return ' '.join(map(str, value)) if isinstance(value, list) else str(value)


def _step_table(results: Mapping[str, Measured]) -> str:
    times = results['step_times'].result
    names = {'sparse': 'arxiv-tagger, sparse', 'dense': 'the recipe, dense'}
    whole = {
        'sparse': results['train'].result['seconds_per_epoch'],
        'dense': results['recipe'].result['epochs'][0]['seconds'],
    }
    return _table(
        [
            '',
            'steps measured',
            'step: min',
            'median',
            'batch',
            'steps an epoch',
            'epoch at the median',
            'a whole epoch',
        ],
        [
            [
                name,
                str(times[key]['measured']),
                f'{1000 * times[key]["min"]:.0f} ms',
                f'{1000 * times[key]["median"]:.0f} ms',
                str(times[key]['batch_size']),
                str(times[key]['steps_per_epoch']),
                f'{times[key]["epoch_of_median"]:.1f} s',
                f'{whole[key]:.1f} s',
            ]
            for key, name in names.items()
        ],
    )


def _ratios(results: Mapping[str, Measured]) -> dict[str, float]:
    times = results['step_times'].result
    whole = results['recipe'].result['epochs'][0]['seconds']
    return {
        'median': times['sparse']['epoch_of_median'] / times['dense']['epoch_of_median'],
        'min': times['sparse']['epoch_of_min'] / times['dense']['epoch_of_min'],
        'whole': results['train'].result['seconds_per_epoch'] / whole,
    }


def _step_notes(results: Mapping[str, Measured]) -> str:
    ratios = _ratios(results)
    blocks = results['step_times'].result['ratios_of_blocks']
    return '\n'.join(
        [
            '- Steps of both were run in turn, in one process, in blocks of 30 sparse and 6 dense ones (10 and 1 not '
            'counted), so that other load met both; reading a batch is in its step.',
            f'- An epoch of sparse steps takes 1/{1 / ratios["median"]:.1f} of one of dense steps by the medians, '
            f'1/{1 / ratios["min"]:.1f} by the minima; in single blocks 1/{1 / max(blocks):.1f} to '
            f'1/{1 / min(blocks):.1f}.',
            f'- *A whole epoch*: as `train` says (mean of its epochs) and the first one of the recipe (graph tracing '
            f'included), minutes apart, under whatever load there was: 1/{1 / ratios["whole"]:.1f}.',
            '- The sparse rows have title and abstract, the dense ones the abstract alone. The published program also '
            'splits and counts its text in each epoch; that is left out here.',
        ]
    )


def _target_table(results: Mapping[str, Measured]) -> str:
    ours = results['exported'].result
    rows = [
        [name, f'>= {target}', f'{ours[figure]:.4f}', _met(ours[figure] >= target)]
        for figure, name, target in _FIGURES
        if target is not None
    ]
    for key, name in (('median', 'median steps, in turn'), ('whole', 'whole epochs, minutes apart')):
        ratio = _ratios(results)[key]
        rows.append([f'epoch, sparse / dense: {name}', '<= 0.2', f'{ratio:.3f}', _met(ratio <= _EPOCH_RATIO)])
    note = 'For the Kaggle file arxiv_data.csv (38,864 records) with default settings; other papers have other numbers.'
    return note + '\n\n' + _table(['arxiv-tagger', 'target', 'measured', ''], rows)


def _met(reached: bool) -> str:
    return 'met' if reached else '**missed**'


def _usage_table(results: Mapping[str, Measured]) -> str:
    svc = results['linear_svc'].result
    names = {
        'prepare': 'arxiv-tagger prepare',
        'train': f'arxiv-tagger train, epochs: {results["train"].result["epochs"]}',
        'exported': 'measuring the exported model',
        'recipe_prepare': "arxiv-tagger prepare, the recipe's features",
        'step_times': 'timing steps',
        'recipe': f'the recipe, epochs: {len(results["recipe"].result["epochs"])}; and measuring',
        'linear_svc': f'LinearSVC, values of C: {len(svc["tried"])}; and measuring',
    }
    rows = [
        [name, f'{usage.seconds:.0f} s', f'{usage.cpu_seconds:.0f} s', f'{usage.peak_bytes / 1e9:.2f} GB']
        for name, usage in ((name, results[stage].usage) for stage, name in names.items())
    ]
    chosen = _chosen_svc(results)
    note = (
        f'LinearSVC once, on one core: {svc["vectorize_seconds"]:.0f} s to vectorize the training papers and '
        f'{chosen["seconds"]:.0f} s to fit. Memory is the largest resident set of the process.'
    )
    return _table(['program', 'wall', 'CPU', 'peak memory'], rows) + '\n\n' + note


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ['---', *('---:' for _ in header[1:])]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (header, rule, *rows))
