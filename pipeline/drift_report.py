"""The report of the drift job, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_SHOWN = 5
_SHOWN_MONTHS = 12

# Measure -> what it is called, and how its figure is written.
_MEASURES: dict[str, tuple[str, Callable[[float], str]]] = {
    'out_of_vocabulary': ('unknown n-grams', lambda share: f'{share:.1%}'),
    'length': ('words', lambda words: f'{words:.1f}'),
    'best_score': ('best score', lambda score: f'{score:.3f}'),
    'accepted_labels': ('accepted labels', lambda labels: f'{labels:.2f}'),
    'first_labels': ('best label', str),
    'ngrams': ('frequent n-grams', lambda ngrams: f'{ngrams:.1f}'),
}
_MONTHS = ('month', 'papers', 'P@1', 'P@3', 'nDCG@5', 'micro-F1')


def lines_of(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines that a person reads of what drift.schema.json describes."""
    yield f'{report["papers"]:,} papers, compared with {report["reference_papers"]:,} that the model was measured on'
    yield ''
    header = ('a paper has', 'reference', 'new', 'JS distance', '(limit)', 'PSI', '(limit)', '')
    yield from _table([header, *(_measure(name, measure) for name, measure in report['measures'].items())])
    yield ''
    yield from _moved('share of the papers that have the label', 'label', report['labels'])
    yield from _moved('share of the papers that have the n-gram', 'ngram', report['ngrams'])
    yield from _months(report['months'])
    if report['refused_by_model']:
        yield f'{report["refused_by_model"]:,} papers were refused by the model; they are not counted'
    if 'parity' in report:
        yield _parity(report['parity'])
    yield report['conclusion']


def _measure(name: str, measure: Mapping[str, Any]) -> tuple[str, ...]:
    called, write = _MEASURES[name]
    figures = ('' if measure[side] is None else write(measure[side]) for side in ('reference', 'new'))
    columns = ('jensen_shannon_distance', 'distance_threshold', 'population_stability_index', 'psi_threshold')
    values = ('' if measure[column] is None else f'{measure[column]:.3f}' for column in columns)
    verdict = {True: 'drifted', False: 'as before', None: 'not judged'}[measure['drifted']]
    return (called, *figures, *values, verdict.ljust(len('not judged')))


def _moved(what: str, kind: str, moved: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if moved:
        yield from _table(
            [
                (what, 'reference', 'new'),
                *((one[kind], f'{one["reference"]:.1%}', f'{one["new"]:.1%}') for one in moved[:_SHOWN]),
            ]
        )
        yield ''


def _months(months: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if months:
        yield from _table([_MONTHS, *map(_month, months[-_SHOWN_MONTHS:])])
        if len(months) > _SHOWN_MONTHS:
            yield f'{len(months) - _SHOWN_MONTHS} more months before them are in the report (--output)'
        yield ''


def _month(month: Mapping[str, Any]) -> tuple[str, ...]:
    values = (month[name] for name in ('precision_at_1', 'precision_at_3', 'ndcg_at_5', 'micro_f1'))
    return (month['month'], f'{month["papers"]:,}', *('' if value is None else f'{value:.3f}' for value in values))


def _parity(parity: Mapping[str, Any]) -> str:
    return (
        f'training and serving: the probabilities of {parity["papers"]:,} held-out papers differ by at most '
        f'{parity["largest_difference"]:.1e}'
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligns the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield '  '.join([first, *others]).rstrip()
