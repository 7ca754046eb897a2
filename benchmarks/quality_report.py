"""The section of RESULTS.md that quality.py writes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import report
from report import FIGURES, mean, spread, table, verdict
from stages import Measured

_RANKING = list(FIGURES)[:4]
_DECIDED = list(FIGURES)[4:]
_WAYS = {
    'zero': 'F1: decision >= 0',
    'single': 'F1: one threshold',
    'per_label': 'F1: Platt, thresholds by label',
}
_CALIBRATION = {
    'expected_calibration_error': 'ECE',
    'expected_calibration_error_top': 'ECE of first labels',
    'brier_score': 'Brier',
}
_ECE_GOAL = 0.01


class Findings(NamedTuple):
    """What was measured on a set.

    Attributes:
        name: of the set.
        results: of its stages, by what they do.
        ours: metrics.json of each seed.
        svc: by features, own or stored: the figures at the C that is best on the validation papers.
    """

    name: str
    results: Mapping[str, Measured]
    ours: Sequence[Mapping[str, Any]]
    svc: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, name: str, results: Mapping[str, Measured]) -> Findings:
        """Picks the results of a set.

        Raises:
            SystemExit: if the methods did not see the same papers.
        """
        own = {stage.partition('-')[2]: got for stage, got in results.items() if stage.partition('-')[0] == name}
        ours = [got.result for stage, got in own.items() if stage.startswith('train-')]
        svc = {features: report.best_svc(own[f'svc_{features}']) for features in ('own', 'stored')}
        compared = [own['exported'].result, *svc.values()]
        compared += own['recipe'].result['epochs'] if 'recipe' in own else []
        for mark in ('validation_papers', 'test_papers'):
            if len({figures[mark] for figures in compared}) != 1:
                raise SystemExit(f'benchmarks: the methods had different {mark} of {name}; run all without --reuse.')
        return cls(name, own, ours, svc)

    def test(self, figure: str) -> list[float]:
        """Returns a figure of ours on the test papers, of each seed."""
        return [metrics['test'][figure] for metrics in self.ours]


def render(names: Sequence[str], results: Mapping[str, Measured], machine: str, versions: str) -> str:
    """Writes the section.

    Args:
        names: of the sets.
        results: what was measured, by stage of quality.py.
        machine: what it ran on.
        versions: of the packages.

    Raises:
        SystemExit: if the methods did not see the same papers of a set.
    """
    found = [Findings.of(name, results) for name in names]
    parts = [
        report.heading('Quality, side by side', 'quality.py'),
        '\n'.join(
            [
                *(report.papers(each.name, each.results['prepare']) for each in found),
                report.circumstances(results, machine, versions),
                f'- Settings of arxiv-tagger, its defaults: {report.settings(found[0].ours[0]["config"])}.',
            ]
        ),
    ]
    for each in found:
        parts += [f'## {each.name}: the test papers', *_set(each)]
    parts += ['## All figures of arxiv-tagger', _all_figures(found), '## Calibration', _calibration(found)]
    parts += ['## Time and memory of each program', report.usage_table(results)]
    parts += ['## Commands', report.commands(results)]
    return '\n\n'.join(parts)


def _set(found: Findings) -> Iterator[str]:
    yield table(['', *FIGURES.values()], _quality_rows(found))
    yield _quality_notes(found)
    yield 'Goal: ahead of LinearSVC on each, where its F1 is the best of its three.'
    yield _goals(found)


def _quality_rows(found: Findings) -> Iterator[list[str]]:
    ours = [found.test(figure) for figure in FIGURES]
    yield [f'**arxiv-tagger**, mean of {len(found.ours)} seeds', *(mean(values) for values in ours)]
    yield ['smallest and largest', *(spread(values) for values in ours)]
    for features, name in (('own', 'its own n-grams'), ('stored', 'the same n-grams')):
        yield from _peer_rows(f'LinearSVC, {name}, C = {found.svc[features]["c"]:g};', found.svc[features])
    if 'recipe' in found.results:
        for number, figures in enumerate(found.results['recipe'].result['epochs'], start=1):
            yield from _peer_rows(f'the recipe, dense, after {number} epoch{"s" if number > 1 else ""};', figures)


def _peer_rows(name: str, figures: Mapping[str, Any]) -> Iterator[list[str]]:
    ranking = [f'{figures[figure]:.4f}' for figure in _RANKING]
    for way, how in _WAYS.items():
        decided = [f'{figures["decided"][way][figure]:.4f}' for figure in _DECIDED]
        yield [f'{name} {how}'.strip(), *ranking, *decided]
        name, ranking = '', [''] * len(_RANKING)


def _quality_notes(found: Findings) -> str:
    exported = found.results['exported'].result
    trained = found.ours[0]['test']
    largest = max(abs(exported['test'][name] - value) for name, value in trained.items())
    tried = {
        features: ', '.join(
            f'{one["c"]:g}: {one["validation_ndcg_at_5"]:.4f}'
            for one in found.results[f'svc_{features}'].result['tried']
        )
        for features in ('own', 'stored')
    }
    epochs = ', '.join(f'{metrics["best_epoch"]} of {metrics["epochs"]}' for metrics in found.ours)
    lines = [
        f'- {exported["papers"]:,} papers. All methods had the same (checked by id), and all are measured by '
        '`trainer.metrics.StreamingMetrics`.',
        f'- arxiv-tagger: `test` of metrics.json. From raw text, through the exported model of the first seed, no '
        f'figure differs by more than {largest:.6f}. Best epochs on the validation papers: {epochs}.',
        '- Ways to decide: *decision >= 0*, what `predict` of scikit-learn does (the recipe: half or more); '
        '*one threshold*, the best for micro-F1 on the validation papers; *Platt, thresholds by label*, decision '
        "values calibrated and thresholds chosen by arxiv-tagger's own functions, on the validation papers.",
        f'- LinearSVC: one against the rest; C by nDCG@5 on the validation papers. Its own n-grams: '
        f'`TfidfVectorizer(ngram_range=(1, 2), max_features=150000)` ({tried["own"]}). The same n-grams: the rows that '
        f'`prepare` wrote, which arxiv-tagger trains on ({tried["stored"]}).',
    ]
    if 'recipe' in found.results:
        recipe = found.results['recipe'].result
        losses = ', '.join(f'{epoch["loss"]:.4f}' for epoch in recipe['epochs'])
        lines.append(
            f'- The recipe: abstracts only, {recipe["ngrams"]:,} n-grams weighted as TextVectorization does, dense '
            f'rows, 512 and 256 units, Adam, batches of 128, no dropout; loss by epoch: {losses}. The published '
            'program trains for 20 epochs, this one for as many as the table has rows.'
        )
    return '\n'.join(lines)


def _goals(found: Findings) -> str:
    rows = []
    for figure, name in FIGURES.items():
        ours = statistics.fmean(found.test(figure))
        row = [name, f'{ours:.4f}']
        for features in ('own', 'stored'):
            svc = found.svc[features]
            ways = [decided[figure] for decided in svc['decided'].values()] if figure in _DECIDED else [svc[figure]]
            row += [f'{max(ways):.4f}', f'{ours - max(ways):+.4f}', verdict(ours > max(ways))]
        rows.append(row)
    peers = [cell for name in ('its own n-grams', 'the same n-grams') for cell in (f'LinearSVC, {name}', '', '')]
    notes = [
        f'- P@1 of the first seed less that of LinearSVC, {name}: {_paired(found, features)}.'
        for features, name in (('own', 'its own n-grams'), ('stored', 'the same n-grams'))
    ]
    return '\n'.join([table(['', 'arxiv-tagger', *peers], rows), '', *notes])


def _paired(found: Findings, features: str) -> str:
    """Says a difference in P@1 and its standard error, from the papers that one of the two methods gets right."""
    pairs = zip(found.results['exported'].result['test_hits'], found.svc[features]['test_hits'], strict=True)
    differences = [int(ours) - int(other) for ours, other in pairs]
    error = statistics.pstdev(differences) / math.sqrt(len(differences))
    return f'{statistics.fmean(differences):+.4f}, standard error of the paired difference {error:.4f}'


def _all_figures(found: Sequence[Findings]) -> str:
    names = [name for name in found[0].ours[0]['test'] if not name.startswith('papers')]
    rows = [
        [name, *(f'{mean(values)} ({spread(values)})' for values in (each.test(name) for each in found))]
        for name in names
    ]
    return table(['test papers: mean of seeds (smallest to largest)', *(each.name for each in found)], rows)


def _calibration(found: Sequence[Findings]) -> str:
    def row(each: Findings, when: str, met: str) -> list[str]:
        values = ([metrics['calibration'][when]['test'][name] for metrics in each.ours] for name in _CALIBRATION)
        return [f'{each.name}, {when}', *(f'{mean(figures)} ({spread(figures)})' for figures in values), met]

    rows = []
    for each in found:
        met = verdict(max(each.test('expected_calibration_error')) <= _ECE_GOAL)
        rows += [row(each, 'before', ''), row(each, 'after', met)]
    note = (
        f'Goal: ECE (15 bins of equal width, all pairs of paper and label) of at most {_ECE_GOAL} after calibration, '
        'for each seed.'
    )
    return note + '\n\n' + table(['test papers', *_CALIBRATION.values(), 'goal'], rows)
