"""The section on tagged papers: their labels beside those of the training, drift, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reporting import charts, style, words
from reporting.content import Block, Line, Part, Picture, Section, Table, Tile
from reporting.inputs import MOST_DEAD_LETTERS, Data, Scored

_SHOWN_LABELS = 20
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


def scored_section(scored: Scored | None, drift: Mapping[str, Any] | None, data: Data | None) -> Section:
    """Makes the section.

    Args:
        scored: what was tagged.
        drift: report of `drift`, which says more than what `score` says of it.
        data: what the model was trained on.
    """
    tiles = []
    lead = 'How far papers are from those that the model was measured on.'
    if scored:
        statistics = scored.statistics
        rejected = sum(statistics['rejected'].values())
        labels = sum(statistics['accepted_labels'].values())
        lead = f'{scored.folder}, tagged by version {statistics.get("model_version", "?")} of the model.'
        tiles = [
            Tile(
                words.count(statistics['tagged']), 'papers tagged', f'of {words.plural(statistics["read"], "record")}'
            ),
            Tile(f'{labels / statistics["tagged"]:.1f}' if statistics['tagged'] else '–', 'labels a paper'),
            Tile(words.count(rejected), 'records rejected'),
        ]
    return Section('scored', 'Tagged papers', lead, tiles, list(_blocks(scored, drift, data)))


def _blocks(scored: Scored | None, drift: Mapping[str, Any] | None, data: Data | None) -> Iterator[Block]:
    if scored:
        yield predicted(scored.statistics, data.statistics if data else None)
    measured = drift or (scored.statistics.get('drift') if scored else None)
    if measured:
        yield measures(measured)
    if drift:
        yield by_month(drift['months'])
    else:
        text = 'Run "arxiv-tagger drift --output drift.json ..." on papers with labels, and give --drift drift.json.'
        yield Line(name='months', title='How well the model did by month is not shown', text=text)
    if scored:
        yield from rejections(scored)


def predicted(statistics: Mapping[str, Any], training: Mapping[str, Any] | None) -> Block:
    """Labels that were given beside those of the training papers."""
    title = 'Predicted labels are not compared with those of the training'
    if training is None:
        return Line(
            name='predicted', title=title, text='Give --data_dir, too, the folder that the model was trained on.'
        )
    if not statistics['tagged'] or not training['splits']['train']:
        return Line(name='predicted', title=title, text='No paper was tagged.')
    shares = {
        label: (
            statistics['accepted_labels'].get(label, 0) / statistics['tagged'],
            training['labels'].get(label, {}).get('train', 0) / training['splits']['train'],
        )
        for label in {**statistics['accepted_labels'], **training['labels']}
    }
    shown = sorted(shares, key=lambda label: (-max(shares[label]), label))[:_SHOWN_LABELS]
    if not shown:
        return Line(name='predicted', title=title, text='There are no labels.')
    far = max(shown, key=lambda label: abs(shares[label][0] - shares[label][1]))

    def draw(axes: Axes) -> None:
        for place, label in enumerate(shown):
            new, old = shares[label]
            axes.plot([old, new], [place, place], color=style.GRID, linewidth=4, zorder=1)
            axes.plot(old, place, 'o', color=style.SLATE, markersize=6, label='' if place else 'training')
            axes.plot(new, place, 'D', color=style.BLUE, markersize=6, label='' if place else 'tagged')
        axes.set_yticks(range(len(shown)), shown)
        axes.tick_params(axis='y', labelcolor=style.INK)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlim(left=0)
        charts.shares_on(axes, 'x')
        style.no_grid(axes, 'y')
        axes.set_xlabel('share of the papers with the label')
        axes.legend(frameon=False, fontsize=9, loc='lower right')

    new, old = shares[far]
    return Picture(
        name='predicted',
        title=f'{far} is given to {words.percent(new)} of the papers; {words.percent(old)} of the training papers have it',
        text='Two dots a label: its share of the training papers, and of the papers that were tagged. '
        + words.listed(
            [f'{label} {words.percent(shares[label][1])} and {words.percent(shares[label][0])}' for label in shown]
        )
        + '.',
        svg=style.draw(draw, height=0.9 + 0.26 * len(shown)),
        note=f'The {words.plural(len(shown), "most frequent label")} of either. Labels that the model gives at its '
        'thresholds, and labels that training papers have.',
        table=Table(
            ('label', 'tagged', 'training'),
            [(label, *map(words.percent, shares[label])) for label in shown],
        ),
    )


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
        note=f'{words.plural(drift["papers"], "paper")}, compared with {words.count(drift["reference_papers"])} held-out '
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
    known = [month for month in months if month['month'] != 'unknown' and month['precision_at_1'] is not None]
    if len(known) < 2:
        text = 'Papers with labels and a date, of two months at least, are needed.'
        return Line(name='months', title='There are not enough months to compare', text=text)
    places = list(range(len(known)))
    large = [month for month in known if month['papers'] >= _FEW] or known
    worst = min(large, key=lambda month: (month['ndcg_at_5'], month['month']))
    best = max(large, key=lambda month: (month['ndcg_at_5'], month['month']))
    weight = [min(1.0, month['papers'] / _FEW) for month in known]

    def draw(axes: Axes) -> None:
        ends = {}
        for colour, (column, name) in zip(style.SERIES, _MONTHLY.items(), strict=False):
            values = [month[column] if month[column] is not None else float('nan') for month in known]
            axes.plot(places, values, color=colour, linewidth=1.2, alpha=0.8)
            axes.scatter(places, values, s=[4 + 20 * size for size in weight], color=colour, linewidths=0)
            ends[name] = (places[-1], next((value for value in reversed(values) if value == value), 0.0))
        axes.set_ylim(0, 1.03)
        axes.set_ylabel('figure (0 to 1)')
        axes.set_xlabel('month of the last change')
        ticks = MaxNLocator(nbins=10, integer=True, steps=[1, 2, 3, 6, 10]).tick_values(0, len(known) - 1)
        kept = [int(tick) for tick in ticks if 0 <= tick < len(known)]
        axes.set_xticks(kept, [known[tick]['month'] for tick in kept])
        charts.name_ends(axes, ends)

    return Picture(
        name='months',
        title=f'nDCG@5 was between {worst["ndcg_at_5"]:.2f} ({worst["month"]}) and {best["ndcg_at_5"]:.2f} ({best["month"]})',
        text=f'Lines over {len(known)} months from {known[0]["month"]} to {known[-1]["month"]}. The last month: '
        + words.listed([f'{name} {words.figure(known[-1][column])}' for column, name in _MONTHLY.items()])
        + '.',
        svg=style.draw(draw, width=style.WIDE, height=3.4),
        note=f'Papers with labels that the model knows, by month of their last change. Months of fewer than {_FEW} papers '
        'have smaller dots, and are left out of the title.',
        table=Table(
            ('month', 'papers', *_MONTHLY.values()),
            [
                (month['month'], words.count(month['papers']), *(words.figure(month[column]) for column in _MONTHLY))
                for month in months
            ],
        ),
        wide=True,
    )


def rejections(scored: Scored) -> Iterator[Block]:
    """What could not be tagged, and why."""
    rejected = sorted(scored.statistics['rejected'].items(), key=lambda item: (-item[1], item[0]))
    read = scored.statistics['read']
    if not rejected:
        text = f'All of {words.plural(read, "record")} were papers that the model could tag.'
        yield Line(name='dead-letters', title='Nothing was rejected', text=text)
        return
    total = sum(number for _, number in rejected)
    yield Picture(
        name='rejected',
        title=f'{words.of(total, read)} of the records were rejected, most of them as {rejected[0][0]}',
        text='Bars: ' + words.listed([f'{reason} {words.count(number)}' for reason, number in rejected]) + '.',
        svg=style.draw(
            charts.bars(
                [reason for reason, _ in rejected],
                [number for _, number in rejected],
                x='records',
                written=[words.count(number) for _, number in rejected],
                colour=style.ORANGE,
            ),
            height=0.9 + 0.3 * len(rejected),
        ),
        table=Table(('reason', 'records'), [(reason, words.count(number)) for reason, number in rejected]),
    )
    if scored.dead_letters:
        shown = len(scored.dead_letters)
        yield Part(
            kind='dead_letters',
            name='dead-letters',
            title=f'The first {shown} of {words.plural(total, "dead letter")}' if total > shown else 'The dead letters',
            content=scored.dead_letters,
            note=f'At most {MOST_DEAD_LETTERS} are shown, each with the begin of its record.',
        )
