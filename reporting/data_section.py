"""The section on the data: where papers went, which labels they have, how long they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from reporting import charts, laws, style, words
from reporting.content import Block, Line, Picture, Section, Table, Tile, not_published
from reporting.flow import Node, flow
from reporting.inputs import Data
from reporting.ngram_section import ngram_blocks
from schemas import features, outputs

_SPLITS = {'train': 'for training', 'validation': 'for validation', 'test': 'for testing'}
_HEAT_MAP_LABELS = 30
_MOST_REASONS = 6
# Labels of fewer papers cannot be divided evenly.
_DIVISIBLE = 100


def data_section(data: Data) -> Section:
    """Makes the section."""
    statistics = data.statistics
    sources = [f'{source["path"]} ({source["format"]})' for source in data.manifest['inputs']]
    more = f' and {len(sources) - 3} more files' if len(sources) > 3 else ''
    return Section(
        'data',
        'The data',
        f'{data.folder}, which prepare made of {words.listed(sources[:3]) if not more else ", ".join(sources[:3])}{more}.',
        [
            Tile(words.count(statistics['kept']), 'papers', f'of {words.plural(statistics["read"], "record")}'),
            Tile(words.count(len(statistics['labels'])), 'labels'),
            Tile(
                words.count(statistics['ngrams']['vocabulary']),
                'n-grams that the model knows',
                f'of {words.count(statistics["ngrams"]["distinct"])}',
            ),
        ],
        list(_blocks(data)),
    )


def _blocks(data: Data) -> Iterator[Block]:
    papers = papers_of(data.statistics)
    yield accounting(data.statistics)
    if data.overview is None:
        missing = not_published(
            'overview',
            'Years, labels a paper, labels together, words a paper and n-grams are not shown',
            outputs.join(data.folder, features.OVERVIEW_FILE),
            'prepare',
        )
        yield from (frequencies(papers), imbalance(data.statistics), missing)
        return
    yield years(data.overview['years'])
    yield frequencies(papers)
    yield labels_a_paper(_by_number(data.overview['labels_per_paper']))
    yield words_a_paper(_by_number(data.overview['words_per_paper']))
    yield together(papers, data.overview['label_pairs'])
    yield imbalance(data.statistics)
    yield from ngram_blocks(data.overview, data.statistics, papers)


def papers_of(statistics: Mapping[str, Any]) -> dict[str, int]:
    """Label -> its papers in all splits, most frequent first."""
    papers = {label: sum(splits.values()) for label, splits in statistics['labels'].items()}
    return dict(sorted(papers.items(), key=lambda item: (-item[1], item[0])))


def _by_number(counts: Mapping[str, int]) -> dict[int, int]:
    return {int(value): counts[value] for value in sorted(counts, key=int)}


def fates_of(statistics: Mapping[str, Any]) -> list[tuple[int, str]]:
    """What became of the records, the kept ones first; reasons beyond the most frequent are one."""
    rejected = sorted(statistics['rejected'].items(), key=lambda item: (-item[1], item[0]))
    fates = [
        (statistics['kept'], 'kept'),
        (statistics['duplicates'], 'duplicates'),
        (statistics['dropped_rare_label_set'], 'dropped: rare label set'),
        *((number, f'rejected: {reason}') for reason, number in rejected[:_MOST_REASONS]),
        (sum(number for _, number in rejected[_MOST_REASONS:]), 'rejected: other reasons'),
    ]
    return [fate for fate in fates if fate[0]]


def accounting(statistics: Mapping[str, Any]) -> Block:
    """Where every record went."""
    read, kept = statistics['read'], statistics['kept']
    fates = fates_of(statistics)
    if not read or not kept:
        return Line(name='accounting', title='No paper was kept', text=f'{words.plural(read, "record")} were read.')
    splits = [(number, _SPLITS[split]) for split, number in statistics['splits'].items() if number]
    colours = {'kept': style.BLUE, 'duplicates': style.PURPLE}
    draws, height = flow(
        Node(read, 'records read'),
        [
            Node(number, name, colours.get(name, style.YELLOW if name.startswith('dropped') else style.ORANGE))
            for number, name in fates
        ],
        [Node(number, name, style.BLUE) for number, name in splits],
    )
    lost = [f'{words.count(number)} {name}' for number, name in fates[1:]]
    return Picture(
        name='accounting',
        title=f'{words.of(kept, read)} of {words.plural(read, "record")} became training data'
        + (f'; {words.of(max(fates[1:])[0], read)} were {_was(max(fates[1:])[1])}' if lost else ''),
        text=f'A flow from left to right: {words.plural(read, "record")} were read, {words.count(kept)} of them kept'
        f'{", " if lost else ""}{words.listed(lost)}. Of those kept '
        f'{words.listed([f"{words.count(number)} are {name}" for number, name in splits])}.',
        svg=style.draw(draws, width=style.WIDE, height=height),
        note='Each record is in one place: the numbers on the right of a column add up to what enters it.',
        table=Table(
            ('what became of it', 'records', 'share'),
            [(name, words.count(number), words.of(number, read)) for number, name in [*fates, *splits]],
        ),
        wide=True,
    )


def _was(fate: str) -> str:
    return 'dropped for a rare label set' if fate.startswith('dropped') else fate.replace('rejected: ', 'rejected as ')


def years(counts: Mapping[str, int]) -> Block:
    """Papers by year."""
    known = {int(year): number for year, number in counts.items() if year != 'unknown' and number}
    unknown = counts.get('unknown', 0)
    if not known:
        return Line(
            name='years',
            title='The papers have no dates',
            text=f'None of {words.plural(unknown, "paper")} says when it was changed last, so there are no years to show.',
        )
    half = laws.quantile(known, 0.5)
    span = range(min(known), max(known) + 1)
    top = max(known, key=lambda year: known[year])
    note = 'A paper counts in the year of its last change.'
    if unknown:
        note += f' {words.plural(unknown, "paper")} without a date are not shown.'
    return Picture(
        name='years',
        title=f'Half of the papers are from {half} or before; most are from {top}',
        text=f'Columns, one a year from {span[0]} to {span[-1]}. The highest is {top} with {words.count(known[top])} papers.',
        svg=style.draw(charts.columns(list(span), [known.get(year, 0) for year in span], x='year', y='papers')),
        note=note,
        table=Table(('year', 'papers'), [(str(year), words.count(known.get(year, 0))) for year in span]),
    )


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
        axes.set_ylim(bottom=max(0.7, min(values) / 1.6), top=max(values) * 2)
        for place in dict.fromkeys([0, len(values) // 6, len(values) // 2, len(values) - 1]):
            last = place == len(values) - 1
            axes.annotate(
                names[place], (place + 1, values[place]), xytext=(0 if last else 5, 5), textcoords='offset points',
                ha='right' if last else 'left', fontsize=9,
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
                written=[words.of(papers, total) if papers >= 0.005 * total else '' for papers in counts.values()],
            )
        ),
        table=Table(
            ('labels', 'papers', 'share'),
            [(str(number), words.count(papers), words.of(papers, total)) for number, papers in counts.items()],
        ),
    )


def words_a_paper(counts: Mapping[int, int]) -> Block:
    """How long papers are; `counts` has cells of ten words by their lower edge, the last of which is open."""
    low, middle, high = (laws.quantile(counts, share) for share in (0.25, 0.5, 0.75))
    places = range(0, max(counts) + 1, 10)
    return Picture(
        name='words',
        title=f'Half of the papers have between {low} and {high + 10} words',
        text=f'Columns, one for ten words each. A quarter of the papers have fewer than {low + 10} words, half fewer than '
        f'{middle + 10}, a quarter {high} or more.',
        svg=style.draw(
            charts.columns(
                [place + 5 for place in places],
                [counts.get(place, 0) for place in places],
                width=9.2,
                x='words of title and abstract',
                y='papers in ten words',
                marked={middle + 5: 'half'},
            )
        ),
        note='Cells of ten words'
        + ('; the last holds all papers of 600 words or more.' if max(counts) >= 600 else '.'),
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
        note=f'The {len(labels)} most frequent labels, by name. Read along a row: of the papers of the label on the left, '
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
        f'The farthest label {few}is {label}: {words.percent(share)} of its {words.count(papers)} papers are in {split}.',
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
