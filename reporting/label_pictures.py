"""Pictures of the data's labels: how frequent they are, which go together, how evenly they are divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from reporting import charts, laws, style, words
from reporting.content import Block, Line, Picture, Table

_HEAT_MAP_LABELS = 30
# Labels of fewer papers cannot be divided evenly.
_DIVISIBLE = 100


def frequencies(papers: Mapping[str, int]) -> Block:
    """Labels by frequency."""
    names, values = list(papers), list(papers.values())
    middle = values[len(values) // 2]

    def draw(axes: Axes) -> None:
        charts.logarithmic(axes, 'y')
        places = range(1, len(values) + 1)
        axes.plot(places, values, color=style.BLUE, marker='o', markersize=3.5, linewidth=1)
        axes.set_xlabel('rank of the label')
        axes.set_ylabel('papers (log scale)')
        axes.set_ylim(bottom=min(values) / 2, top=max(values) * 2)
        for place in dict.fromkeys([0, len(values) // 6, len(values) // 2, len(values) - 1]):
            last = place == len(values) - 1
            axes.annotate(
                names[place], (place + 1, values[place]), xytext=(0 if last else 5, -12 if last else 5),
                textcoords='offset points', ha='right' if last else 'left', fontsize=9,
            )  # fmt: skip

    return Picture(
        name='labels',
        title=f'The most frequent label, {names[0]}, has {words.plural(values[0], "paper")}; '
        f'half of the labels have {words.count(middle)} or fewer',
        text=f'{words.plural(len(names), "label")} by rank against papers on a logarithmic scale, falling from '
        f'{names[0]} with {words.count(values[0])} to {names[-1]} with {words.count(values[-1])}.',
        svg=style.draw(draw),
        note='Papers of all splits.',
        table=Table(('label', 'papers'), [(name, words.count(number)) for name, number in papers.items()]),
    )


def labels_a_paper(counts: Mapping[int, int]) -> Block:
    """How many labels papers have."""
    total = sum(counts.values())
    several = laws.share_from(counts, 2)
    mean = sum(number * papers for number, papers in counts.items()) / total if total else 0.0
    return Picture(
        name='labels-a-paper',
        title=f'{words.percent(several)} of the papers have two labels or more; {mean:.1f} is the mean',
        text='Columns: '
        + words.listed(
            [f'{words.count(papers)} with {words.plural(number, "label")}' for number, papers in counts.items()]
        )
        + '.',
        svg=style.draw(
            charts.columns(
                list(counts),
                list(counts.values()),
                x='labels of a paper',
                y='papers',
                ticks={number: str(number) for number in range(min(counts), max(counts) + 1)}
                if max(counts) <= 15
                else None,
                written=[words.of(papers, total) if papers >= 0.005 * total else '' for papers in counts.values()],
            )
        ),
        table=Table(
            ('labels', 'papers', 'share'),
            [(str(number), words.count(papers), words.of(papers, total)) for number, papers in counts.items()],
        ),
    )


def shares_together(
    papers: Mapping[str, int], pairs: Mapping[str, int], labels: Sequence[str]
) -> list[list[float | None]]:
    """For each label a row: the share of its papers that have each other label, None for itself.

    >>> shares_together({'a': 4, 'b': 2}, {'a b': 1}, ['a', 'b'])
    [[None, 0.25], [0.5, None]]
    """
    return [
        [None if row == column else pairs.get(' '.join(sorted((row, column))), 0) / papers[row] for column in labels]
        for row in labels
    ]


def together(papers: Mapping[str, int], pairs: Mapping[str, int]) -> Block:
    """Which labels papers have together."""
    labels = sorted(list(papers)[:_HEAT_MAP_LABELS])
    shares = shares_together(papers, pairs, labels)
    found = [
        (share, labels[row], labels[column])
        for row, values in enumerate(shares)
        for column, share in enumerate(values)
        if share
    ]
    if not found:
        return Line(name='together', title='No two labels are together', text='Each paper has one label.')
    found.sort(key=lambda one: (-one[0], one[1:]))
    share, row, column = found[0]
    size = 2.0 + 0.235 * len(labels)
    return Picture(
        name='together',
        title=f'{words.percent(share)} of the {row} papers are {column} papers, too',
        text=f'A square of cells for the {len(labels)} most frequent labels, darker for larger shares. The largest: '
        + words.listed([f'{words.percent(share)} of {row} also in {column}' for share, row, column in found[:5]])
        + '.',
        svg=style.draw(
            charts.heat_map(
                labels, shares, x='… that have this label, too (%)', y='share of the papers of this label …'
            ),
            width=max(style.NARROW, size + 0.9),
            height=size,
        ),
        note=f'The {len(labels)} most frequent labels, by name. Read along a row: of the papers of the label '
        'on the left, '
        'the share that have the label above. Shares of 10 % and more are written.',
        table=Table(
            ('of the papers of', 'have too', 'share'),
            [(row, column, words.percent(share)) for share, row, column in found[:25]],
            texts=(1,),
        ),
        wide=True,
    )


def imbalances(statistics: Mapping[str, Any], least: int) -> list[tuple[float, str, str, float, int]]:
    """By how much the share of a split among a label's papers is off that among all papers.

    Args:
        statistics: as published.
        least: papers that a label must have.

    Returns:
        Distance, label, split, share and papers of the label, the largest distance first.
    """
    whole = {split: number / statistics['kept'] for split, number in statistics['splits'].items()}
    rows = []
    for label, splits in statistics['labels'].items():
        papers = sum(splits.values())
        if papers >= least:
            rows += [
                (abs(splits[split] / papers - whole[split]), label, split, splits[split] / papers, papers)
                for split in ('validation', 'test')
            ]
    return sorted(rows, key=lambda row: (-row[0], row[1:]))


def imbalance(statistics: Mapping[str, Any]) -> Block:
    """How evenly labels are divided among the splits."""
    splits, kept = statistics['splits'], statistics['kept']
    everything = imbalances(statistics, 1)
    large = imbalances(statistics, _DIVISIBLE)
    sizes = words.listed([f'{words.count(number)} {split}' for split, number in splits.items()])
    if not everything:
        return Line(name='splits', title=f'Splits: {sizes}', text='There are no labels.')
    distance, label, split, share, papers = (large or everything)[0]
    few = f'of {_DIVISIBLE} papers or more ' if large else ''

    def draw(axes: Axes) -> None:
        for name, colour, marker in (('validation', style.BLUE, 'o'), ('test', style.ORANGE, 's')):
            rows = [row for row in everything if row[2] == name]
            axes.axhline(splits[name] / kept, color=colour, linewidth=1)
            axes.plot([row[4] for row in rows], [row[3] for row in rows], marker, color=colour, markersize=4,
                      alpha=0.75, label=name)  # fmt: skip
        charts.logarithmic(axes, 'x')
        charts.shares_on(axes)
        axes.set_xlabel('papers of the label (log scale)')
        axes.set_ylabel('share of the label in the split')
        axes.legend(frameon=False, fontsize=9, loc='upper right', handletextpad=0.2)

    return Picture(
        name='splits',
        title=f'Labels {few}are within {100 * distance:.1f} percentage points of their share in each split',
        text=f'Dots, two a label, against its papers: the share of them in validation and in test. Papers: {sizes}. '
        f'The farthest label {few}is {label}: {words.percent(share)} of its {words.count(papers)} papers are '
        f'in {split}.',
        svg=style.draw(draw),
        note=f'Papers: {sizes}. Lines: the split among all papers. Labels of a few papers cannot be divided evenly. '
        f'The farthest {few}is {label}: {words.percent(share)} of its papers are in {split}.',
        table=Table(
            ('label', 'split', 'papers', 'share in split', 'off by (points)'),
            [
                (label, split, words.count(papers), words.percent(share), f'{100 * distance:.2f}')
                for distance, label, split, share, papers in (large or everything)[:10]
            ],
            texts=(1,),
        ),
    )
