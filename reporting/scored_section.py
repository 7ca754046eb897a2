"""The section on tagged papers: their labels beside those of the training, drift, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.axes import Axes

from reporting import charts, style, words
from reporting.content import Block, Line, Part, Picture, Section, Table, Tile
from reporting.drift_pictures import by_month, measures
from reporting.inputs import MOST_DEAD_LETTERS, Data, Scored

_SHOWN_LABELS = 15


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
        lead = f'{scored.folder}, {_when_and_by_what(statistics)}.'
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


def _when_and_by_what(statistics: Mapping[str, Any]) -> str:
    """Which versions of the model tagged the papers; of a window of a streaming job also when it was.

    >>> _when_and_by_what({'model_version': '4'})
    'tagged by version 4 of the model'
    >>> _when_and_by_what({'model_versions': {'1': 9, '2': 3}, 'window': {'start': '12:00Z', 'end': '12:05Z'}})
    'from 12:00Z to 12:05Z, tagged by version 1 and 2 of the model'
    """
    versions = sorted(statistics.get('model_versions') or {statistics.get('model_version', 'unknown')})
    window = statistics.get('window')
    when = f'from {window["start"]} to {window["end"]}, ' if window else ''
    return f'{when}tagged by version {words.listed(versions)} of the model'


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
        right = max(max(shares[label]) for label in shown) or 1
        axes.set_xlim(-0.02 * right, 1.05 * right)
        charts.shares_on(axes, 'x')
        style.no_grid(axes, 'y')
        axes.set_xlabel('share of the papers with the label')
        axes.legend(frameon=False, fontsize=9, loc='lower right')

    new, old = shares[far]
    return Picture(
        name='predicted',
        title=f'{far} is given to {words.percent(new)} of the papers; {words.percent(old)} of the training '
        'papers have it',
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
            title=f'{shown} of {words.plural(total, "dead letter")}' if total > shown else 'All dead letters',
            content=scored.dead_letters,
            note=f'At most {MOST_DEAD_LETTERS} are shown, each with the begin of its record.',
        )
