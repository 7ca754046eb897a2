"""The part of the data's section on n-grams: Zipf's and Heaps' law, and which n-grams tell labels apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from reporting import charts, laws, style, words
from reporting.content import Block, Line, Part, Picture, Table

_CURVE_POINTS = 160
_HEAPS_POINTS = 30


def ngram_blocks(
    overview: Mapping[str, Any], statistics: Mapping[str, Any], papers: Mapping[str, int]
) -> Iterator[Block]:
    """Makes the blocks.

    Args:
        overview: as published.
        statistics: as published.
        papers: label -> papers, most frequent first.
    """
    frequencies = {int(df): number for df, number in overview['document_frequencies'].items()}
    training = statistics['splits']['train']
    if not frequencies or not training:
        yield Line(name='zipf', title='There are no n-grams', text='The training papers have none.')
        return
    yield zipf(frequencies)
    yield heaps(frequencies, training)
    yield distinctive(overview['distinctive_ngrams'], papers, statistics)


def zipf(frequencies: Mapping[int, int]) -> Picture:
    """Rank against frequency."""
    rank, papers = laws.ranks(frequencies)
    total = int(rank[-1])
    once = frequencies.get(1, 0)

    def draw(axes: Axes) -> None:
        # Ranks of equal frequency are a step, drawn by its end; spread evenly over the logarithm.
        wanted = np.unique(np.searchsorted(rank, np.geomspace(1, total, _CURVE_POINTS)))
        axes.plot(rank[wanted], papers[wanted], color=style.BLUE, drawstyle='steps-pre')
        charts.logarithmic(axes, 'x')
        charts.logarithmic(axes, 'y')
        axes.set_xlabel('rank of the n-gram (log scale)')
        axes.set_ylabel('training papers with it (log)')

    return Picture(
        name='zipf',
        title=f'{words.of(once, total)} of the {words.short(float(f"{total:.3g}"))} distinct n-grams '
        'occur in one training paper only',
        text=f'A line that falls nearly straight on two logarithmic scales: the most frequent n-gram occurs in '
        f'{words.plural(float(papers[0]), "training paper")}, {words.count(once)} n-grams in one.',
        svg=style.draw(draw),
        note="Zipf's law: frequency falls as a power of rank. All n-grams of the training papers, kept or not.",
        table=Table(
            ('training papers', 'n-grams in so many or more'),
            [
                (words.count(limit), words.count(sum(number for df, number in frequencies.items() if df >= limit)))
                for limit in (1, 2, 5, 10, 100, 1000, 10000, 100000)
                if limit <= max(frequencies)
            ],
        ),
    )


def heaps(frequencies: Mapping[int, int], papers: int) -> Picture:
    """How the number of distinct n-grams grows with papers."""
    samples = sorted({round(papers * place / _HEAPS_POINTS) for place in range(1, _HEAPS_POINTS + 1)} - {0})
    distinct = laws.expected_ngrams(frequencies, papers, samples)
    tenth = max(1, papers // 10)
    (before,) = laws.expected_ngrams(frequencies, papers, [papers - tenth])
    new = (distinct[-1] - before) / tenth
    lead = f'The last tenth of the papers brought {new:.{0 if new >= 10 else 1}f} new n-grams each'
    law = ''
    if len(samples) > 2:
        upper = [place for place, sample in enumerate(samples) if 2 * sample >= papers]
        exponent = laws.heaps_exponent([samples[place] for place in upper], [distinct[place] for place in upper])
        law = f' In the upper half n-grams grow like papers to the power of {exponent:.2f} (Heaps’ law).'

    def draw(axes: Axes) -> None:
        axes.plot([0, *samples], [0, *distinct], color=style.BLUE)
        charts.counts_on(axes, 'x')
        charts.counts_on(axes, 'y')
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel('training papers')
        axes.set_ylabel('distinct n-grams')

    return Picture(
        name='heaps',
        title=lead,
        text=f'A line from the origin to {words.count(distinct[-1])} distinct n-grams of {words.count(papers)} '
        'training '
        f'papers, bending slightly. {lead}.',
        svg=style.draw(draw),
        note=f'Expected number of distinct n-grams in a random sample of the training papers (rarefaction).{law}',
    )


def distinctive(ngrams: Mapping[str, Any], papers: Mapping[str, int], statistics: Mapping[str, Any]) -> Part:
    """Which n-grams tell a label from the others: for each label its n-grams, with their shares."""
    rows = []
    for label in papers:
        training = statistics['labels'][label]['train']
        found = [
            {
                'ngram': one['ngram'],
                'share': one['papers_with_label'] / one['papers'] if one['papers'] else 0.0,
                'text': f'in {words.plural(one["papers"], "training paper")}, '
                f'{words.count(one["papers_with_label"])} of '
                f'them {label}' + (f' ({words.of(one["papers_with_label"], training)} of these)' if training else ''),
            }
            for one in ngrams.get(label, ())
        ]
        if found:
            rows.append({'label': label, 'ngrams': found})
    example = rows[0] if rows else None
    title = (
        f'{words.listed(["“" + one["ngram"] + "”" for one in example["ngrams"][:2]])} speak for {example["label"]}'  # type: ignore[index]
        if example
        else 'No n-gram tells labels apart'
    )
    return Part(
        kind='distinctive',
        name='distinctive',
        title=title,
        content=rows,
        note='The most distinctive n-grams of each label, best first. The bar below each: the share of the '
        'training papers '
        'with the n-gram that have the label.',
    )
