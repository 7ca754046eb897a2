"""Pictures of drift: how far papers are from the reference, and how well the model did month by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from reporting import charts, style, words
from reporting.content import Block, Line, Picture, Table

# Fewer papers a month say little: their dots are small.
_FEW = 30
_MEASURES = {
    'out_of_vocabulary': 'unknown n-grams',
    'length': 'words',
    'best_score': 'best score',
    'accepted_labels': 'accepted labels',
    'first_labels': 'best label',
    'ngrams': 'frequent n-grams',
}
_MONTHLY = {'precision_at_1': 'P@1', 'ndcg_at_5': 'nDCG@5', 'micro_f1': 'micro-F1'}


def measures(drift: Mapping[str, Any]) -> Block:
    """How far the papers are from the reference, as a part of what is allowed."""
    # (name, how many times the limit the larger of the two distances is)
    found = []
    for name, measure in drift['measures'].items():
        ratios = [
            measure[value] / measure[limit]
            for value, limit in (
                ('jensen_shannon_distance', 'distance_threshold'),
                ('population_stability_index', 'psi_threshold'),
            )
            if measure[value] is not None and measure[limit]
        ]
        if ratios:
            found.append((_MEASURES.get(name, name), max(ratios), measure))
    if not found:
        return Line(name='drift', title='Drift cannot be told', text=drift['conclusion'])

    def draw(axes: Axes) -> None:
        places = range(len(found))
        colours = [style.ORANGE if measure['drifted'] else style.BLUE for *_, measure in found]
        axes.barh(places, [ratio for _, ratio, _ in found], height=0.66, color=colours)
        axes.set_yticks(list(places), [name for name, *_ in found])
        axes.tick_params(axis='y', labelcolor=style.INK)
        axes.invert_yaxis()
        right = max(1.25, 1.12 * max(ratio for _, ratio, _ in found))
        for place, (_, ratio, _) in zip(places, found, strict=True):
            axes.text(ratio + right * 0.012, place, f'{ratio:.2f}', va='center', fontsize=9)
        axes.axvline(1, color=style.INK, linewidth=1.2)
        axes.set_xlim(0, right)
        style.no_grid(axes, 'y')
        axes.set_xlabel('distance from the reference, in limits (above 1: drift)')

    drifted = [_MEASURES.get(name, name) for name in drift['drifted']]
    if not drift['judged']:
        title = f'{words.plural(drift["papers"], "paper")} are too few to call a difference drift'
    elif len(drifted) > 3:
        title = f'{len(drifted)} of {len(drift["measures"])} measures drifted beyond their limits'
    elif drifted:
        title = f'{words.listed(drifted).capitalize()} drifted beyond the limit'
    else:
        title = 'The papers are like those that the model was measured on'
    return Picture(
        name='drift',
        title=title,
        text='Bars beside a line at 1, the limit: '
        + words.listed(
            [f'{name} {ratio:.2f}{" (drifted)" if measure["drifted"] else ""}' for name, ratio, measure in found]
        )
        + '.',
        svg=style.draw(draw, height=0.9 + 0.36 * len(found)),
        note=f'{words.plural(drift["papers"], "paper")}, compared with '
        f'{words.count(drift["reference_papers"])} held-out '
        'papers. Jensen-Shannon distance or population stability index over its limit, whichever is larger.',
        table=Table(
            ('measure', 'reference', 'new', 'JS distance', 'limit', 'PSI', 'limit'),
            [
                (
                    name,
                    *(words.figure(measure[side]) for side in ('reference', 'new')),
                    *(
                        words.figure(measure[column])
                        for column in (
                            'jensen_shannon_distance',
                            'distance_threshold',
                            'population_stability_index',
                            'psi_threshold',
                        )
                    ),
                )
                for name, _, measure in found
            ],
        ),
    )


def by_month(months: Sequence[Mapping[str, Any]]) -> Block:
    """How well the model did by month."""
    known = [
        month for month in months if month['month'] != 'unknown' and None not in [month[column] for column in _MONTHLY]
    ]
    if len(known) < 2:
        text = 'Papers with labels and a date, of two months at least, are needed.'
        return Line(name='months', title='There are not enough months to compare', text=text)
    large = [month for month in known if month['papers'] >= _FEW] or known
    worst = min(large, key=lambda month: (month['ndcg_at_5'], month['month']))
    best = max(large, key=lambda month: (month['ndcg_at_5'], month['month']))

    def draw(axes: Axes) -> None:
        ends = {}
        for colour, (column, name) in zip(style.SERIES, _MONTHLY.items(), strict=False):
            for month in known:
                if month not in large and month[column] is not None:
                    axes.plot(_place(month), month[column], 'o', color=colour, markersize=2.5, alpha=0.5)
            # The line breaks where a month has few papers or none.
            for run in runs(large):
                places, values = [_place(month) for month in run], [month[column] for month in run]
                axes.plot(places, values, color=colour, marker='o', markersize=4, linewidth=1.5)
            ends[name] = (_place(large[-1]), large[-1][column])
        first, last = _place(known[0]), _place(known[-1])
        step = next(step for step in (1, 2, 3, 6, 12, 24, 60, 120, 600) if (last - first) / step <= 9)
        ticks = range(-(-first // step) * step, last + 1, step)
        axes.set_xticks(
            list(ticks), [f'{tick // 12}' if step >= 12 else f'{tick // 12}-{tick % 12 + 1:02d}' for tick in ticks]
        )
        axes.set_ylim(0, 1.03)
        axes.set_ylabel('figure (0 to 1)')
        axes.set_xlabel('month of the last change')
        charts.name_ends(axes, ends)

    return Picture(
        name='months',
        title=f'nDCG@5 was between {worst["ndcg_at_5"]:.2f} ({worst["month"]}) and {best["ndcg_at_5"]:.2f} '
        f'({best["month"]})',
        text=f'Lines over {len(known)} months from {known[0]["month"]} to {known[-1]["month"]}. The last month: '
        + words.listed([f'{name} {words.figure(known[-1][column])}' for column, name in _MONTHLY.items()])
        + '.',
        svg=style.draw(draw, width=style.WIDE, height=3.4),
        note='Papers with labels that the model knows, by month of their last change. Months of fewer than '
        f'{_FEW} papers '
        'are small dots, and are left out of the title.',
        table=Table(
            ('month', 'papers', *_MONTHLY.values()),
            [
                (month['month'], words.count(month['papers']), *(words.figure(month[column]) for column in _MONTHLY))
                for month in months
            ],
        ),
        wide=True,
    )


def _place(month: Mapping[str, Any]) -> int:
    """Months since the year 0."""
    year, number = month['month'].split('-')
    return 12 * int(year) + int(number) - 1


def runs(months: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Divides months where one is missing between two of them.

    >>> [[month['month'] for month in run] for run in runs([{'month': m} for m in ('2019-12', '2020-01', '2020-03')])]
    [['2019-12', '2020-01'], ['2020-03']]
    """
    divided: list[list[Mapping[str, Any]]] = []
    for month in months:
        if divided and _place(month) - _place(divided[-1][-1]) == 1:
            divided[-1].append(month)
        else:
            divided.append([month])
    return divided
