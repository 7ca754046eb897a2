"""The section on the data: where papers went, which labels they have, how long they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reporting import charts, laws, style, words
from reporting.content import Block, Line, Picture, Section, Table, Tile, not_published
from reporting.flow import Node, flow
from reporting.inputs import Data
from reporting.label_pictures import frequencies, imbalance, labels_a_paper, together
from reporting.ngram_section import ngram_blocks
from schemas import features, outputs

_SPLITS = {'train': 'for training', 'validation': 'for validation', 'test': 'for testing'}
_MOST_REASONS = 6


def data_section(data: Data) -> Section:
    """Makes the section."""
    statistics = data.statistics
    files = [source['path'].rpartition('/')[2] for source in data.manifest['inputs']]
    sources = files if len(files) <= 3 else [*files[:2], f'{len(files) - 2} more files']
    return Section(
        'data',
        'The data',
        f'{data.folder}, made of {words.listed(sources)}.',
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
            text=f'None of {words.plural(unknown, "paper")} says when it was changed last, so there are no '
            'years to show.',
        )
    if len(known) == 1 and not unknown:
        (year,) = known
        text = f'All of {words.plural(known[year], "paper")} were changed last in {year}.'
        return Line(name='years', title=f'The papers are of one year, {year}', text=text)
    half = laws.quantile(known, 0.5)
    span = range(min(known), max(known) + 1)
    top = max(known, key=lambda year: known[year])
    note = 'A paper counts in the year of its last change.'
    if unknown:
        note += f' {words.plural(unknown, "paper")} without a date are not shown.'
    return Picture(
        name='years',
        title=f'Half of the papers are from {half} or before; {top} has the most',
        text=f'Columns, one a year from {span[0]} to {span[-1]}. The highest is {top} with '
        f'{words.count(known[top])} papers.',
        svg=style.draw(charts.columns(list(span), [known.get(year, 0) for year in span], x='year', y='papers')),
        note=note,
        table=Table(('year', 'papers'), [(str(year), words.count(known.get(year, 0))) for year in span]),
    )


def words_a_paper(counts: Mapping[int, int]) -> Block:
    """How long papers are; `counts` has cells of ten words by their lower edge, the last of which is open."""
    low, middle, high = (laws.quantile(counts, share) for share in (0.25, 0.5, 0.75))
    places = range(0, max(counts) + 1, 10)
    return Picture(
        name='words',
        title=f'Half of the papers have between {low} and {high + 10} words',
        text=f'Columns, one for ten words each. A quarter of the papers have fewer than {low + 10} words, half '
        'fewer than '
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
