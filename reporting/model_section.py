"""The section on the model: its figures with their intervals, its labels, its curves and its calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from reporting import style, words
from reporting.content import Block, Line, Part, Picture, Section, Table, Tile, not_published
from reporting.curve_pictures import curves, reliability
from reporting.inputs import Model, Row
from reporting.review_section import confusions, label_errors, worst_papers
from schemas import features, outputs, taxonomy

# Figures, what they are called, and what they mean.
_FIGURES = {
    'precision_at_1': ('P@1', 'first label right'),
    'precision_at_3': ('P@3', 'share of the first 3 labels that are right'),
    'precision_at_5': ('P@5', 'share of the first 5 labels that are right'),
    'ndcg_at_5': ('nDCG@5', 'right labels first'),
    'mean_average_precision': ('mean AP', 'mean over labels of their average precision'),
    'micro_f1': ('micro-F1', 'all pairs of a paper and a label, at the thresholds'),
    'example_f1': ('example F1', 'mean over papers, at the thresholds'),
    'macro_f1': ('macro-F1', 'mean over labels, rare ones too, at the thresholds'),
}
# Names of the columns of labels.tsv that the page shows; those that are whole numbers have no digits behind the point.
_COLUMNS = {
    'training_papers': 'training papers',
    'test_papers': 'test papers',
    'threshold': 'threshold',
    'precision': 'precision',
    'recall': 'recall',
    'f1': 'F1',
    'average_precision': 'average precision',
    'expected_calibration_error': 'calibration error',
}


def model_section(model: Model) -> Section:
    """Makes the section."""
    test = model.metrics['test']
    intervals = (model.review or {}).get('intervals', {}).get('figures', {})
    papers = words.plural(test['papers'], 'test paper')
    return Section(
        'model',
        'The model',
        f'Measured on {papers}, which training never saw.',
        [_tile(name, test, intervals) for name in ('precision_at_1', 'ndcg_at_5', 'micro_f1', 'macro_f1')],
        list(_blocks(model)),
    )


def _tile(name: str, figures: Mapping[str, Any], intervals: Mapping[str, Sequence[float]]) -> Tile:
    between = f'{intervals[name][0]:.3f} to {intervals[name][1]:.3f}' if name in intervals else ''
    return Tile(words.figure(figures[name]), _FIGURES[name][0], between)


def _blocks(model: Model) -> Iterator[Block]:
    yield overall(model)
    yield curves(model)
    yield reliability(model)
    if model.review is None:
        title = 'Confusions, errors and likely wrong labels are not shown'
        yield not_published('review', title, outputs.join(model.folder, features.REVIEW_FILE), 'train')
        yield labels_table(model.labels)
        return
    yield confusions(model.review['confusions'])
    yield labels_table(model.labels)
    yield worst_papers(model.review['worst_papers'])
    yield label_errors(model.review['label_errors'])


def overall(model: Model) -> Block:
    """Figures of the test papers with bootstrap intervals."""
    test, validation = model.metrics['test'], model.metrics['validation']
    names = [name for name in _FIGURES if test.get(name) is not None]
    if not names:
        return Line(name='overall', title='There are no figures', text='No test paper has a label.')
    review = (model.review or {}).get('intervals', {})
    intervals = {name: pair for name, pair in review.get('figures', {}).items() if name in names and None not in pair}

    def draw(axes: Axes) -> None:
        for place, name in enumerate(names):
            if name in intervals:
                axes.plot(intervals[name], [place, place], color=style.BLUE, linewidth=5, alpha=0.35)
            if validation.get(name) is not None:
                axes.plot(validation[name], place, 'o', color=style.MUTED, markersize=6, markerfacecolor='none')
            axes.plot(test[name], place, 'o', color=style.BLUE, markersize=7)
            axes.annotate(f'{test[name]:.3f}', (test[name], place), xytext=(0, 9), textcoords='offset points',
                          ha='center', fontsize=9)  # fmt: skip
        axes.set_yticks(range(len(names)), [_FIGURES[name][0] for name in names])
        axes.tick_params(axis='y', labelcolor=style.INK)
        axes.set_ylim(len(names) - 0.5, -0.8)
        axes.set_xlim(0, 1)
        axes.set_xlabel('figure (0 to 1, higher is better)')

    first = test['precision_at_1']
    pair = intervals.get('precision_at_1')
    between = f' ({100 * pair[0]:.0f} to {words.percent(pair[1])})' if pair else ''
    level = words.percent(review.get('level', 0.95))
    if intervals:
        note = (
            f'Filled: test papers, with {level} intervals (bootstrap over papers, {words.count(review["replicates"])} '
            'replicates). Hollow: validation papers, on which calibration and thresholds were chosen.'
        )
        if len(intervals) < len(names):
            note += ' Figures without an interval are means over labels, of which rare ones have a few papers.'
    else:
        note = 'Filled: test papers. Hollow: validation papers. Run "arxiv-tagger train" again for intervals.'
    return Picture(
        name='overall',
        title=f'The first label is right for {words.percent(first)} of the test papers{between}',
        text='Dots on lines from 0 to 1: '
        + words.listed([f'{_FIGURES[name][0]} {test[name]:.3f}' for name in names])
        + '.',
        svg=style.draw(draw, height=0.9 + 0.42 * len(names)),
        note=note,
        table=Table(
            ('figure', 'test', 'interval', 'validation', 'meaning'),
            [
                (
                    _FIGURES[name][0],
                    words.figure(test[name]),
                    ' to '.join(f'{end:.3f}' for end in intervals[name]) if name in intervals else '–',
                    words.figure(validation.get(name)),
                    _FIGURES[name][1],
                )
                for name in names
            ],
            texts=(4,),
        ),
    )


def labels_table(rows: Sequence[Row]) -> Part:
    """All labels with their figures: a table that can be sorted and searched."""
    # Without the archive, which the label begins with: 'Computer Science - Machine Learning'.
    titles = {
        name: title.partition(' - ')[2] if '.' in name else title for title, name in taxonomy.category_titles().items()
    }
    columns = [column for column in _COLUMNS if rows and column in rows[0]]
    whole = {'training_papers', 'test_papers'}
    cells = [
        {
            'label': row['label'],
            'title': titles.get(row['label'], ''),
            'cells': [
                {'text': words.cell(row[column], 0 if column in whole else 3), 'value': row[column]}
                for column in columns
            ],
        }
        for row in rows
    ]
    good = sum(1 for row in rows if row['f1'] and float(row['f1']) >= 0.5)
    never = sum(1 for row in rows if row['given'] == '0')
    return Part(
        kind='labels',
        name='labels-table',
        title=f'{words.count(good)} of {words.plural(len(rows), "label")} have an F1 of 0.5 or more; '
        f'{words.count(never)} {"is" if never == 1 else "are"} never given',
        content={'columns': [_COLUMNS[column] for column in columns], 'rows': cells},
        note='Figures of the test papers, at the thresholds. A dash: not defined, as no test paper has the '
        'label or none '
        'gets it. The average precision needs no threshold.',
    )
