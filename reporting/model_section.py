"""The section on the model: its figures with their intervals, its labels, its curves and its calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from reporting import charts, laws, style, words
from reporting.content import Block, Line, Part, Picture, Section, Table, Tile, not_published
from reporting.inputs import PRECISION_RECALL_FILE, RELIABILITY_BEFORE_FILE, RELIABILITY_FILE, Model, Row
from reporting.review_section import review_blocks
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
_CURVES = 6
_CURVE_POINTS = 150
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
        f'Measured on {papers}, which it has not seen in any way.',
        [_tile(name, test, intervals) for name in ('precision_at_1', 'ndcg_at_5', 'micro_f1', 'macro_f1')],
        list(_blocks(model)),
    )


def _tile(name: str, figures: Mapping[str, Any], intervals: Mapping[str, Sequence[float]]) -> Tile:
    short, meaning = _FIGURES[name]
    between = f'{intervals[name][0]:.3f} to {intervals[name][1]:.3f}' if name in intervals else meaning
    return Tile(words.figure(figures[name]), short, between)


def _blocks(model: Model) -> Iterator[Block]:
    yield overall(model)
    yield curves(model)
    yield reliability(model)
    yield labels_table(model.labels)
    if model.review is None:
        title = 'Confusions, errors and likely wrong labels are not shown'
        yield not_published('review', title, outputs.join(model.folder, features.REVIEW_FILE), 'train')
    else:
        yield from review_blocks(model.review)


def overall(model: Model) -> Block:
    """Figures of the test papers with bootstrap intervals."""
    test, validation = model.metrics['test'], model.metrics['validation']
    names = [name for name in _FIGURES if test.get(name) is not None]
    if not names:
        return Line(name='overall', title='There are no figures', text='No test paper has a label.')
    review = (model.review or {}).get('intervals', {})
    intervals = {name: pair for name, pair in review.get('figures', {}).items() if None not in pair}

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


def curves(model: Model) -> Block:
    """Precision against recall of the most frequent labels."""
    if model.precision_recall is None:
        path = outputs.join(model.folder, PRECISION_RECALL_FILE)
        return not_published('precision-recall', 'Precision against recall is not shown', path, 'train')
    points: dict[str, list[tuple[float, float]]] = {}
    for row in model.precision_recall:
        points.setdefault(row['label'], []).append((float(row['recall']), float(row['precision'])))
    by_papers = sorted(model.labels, key=lambda row: -int(row['test_papers']))
    shown = [row for row in by_papers if row['label'] in points and row['average_precision']][:_CURVES]
    if not shown:
        return Line(name='precision-recall', title='There are no curves', text='No test paper has a label.')
    best, worst = (choice(shown, key=lambda row: float(row['average_precision'])) for choice in (max, min))
    # Named at their ends from the best to the worst, as they lie.
    shown.sort(key=lambda row: -float(row['average_precision']))

    def draw(axes: Axes) -> None:
        ends = {}
        for colour, row in zip(style.SERIES, shown, strict=False):
            curve = points[row['label']]
            kept = [curve[place] for place in laws.thinned(len(curve), _CURVE_POINTS)]
            recalls, precisions = zip(*kept, strict=True)
            axes.plot(recalls, precisions, color=colour, linewidth=1.7, solid_joinstyle='round')
            if row['recall'] and row['precision']:
                axes.plot(float(row['recall']), float(row['precision']), 'o', color=colour, markersize=6)
            ends[row['label']] = (1.0, float(row['average_precision']))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.03)
        charts.shares_on(axes, 'x')
        charts.shares_on(axes, 'y')
        axes.set_xlabel('recall: share of the label’s papers that are found')
        axes.set_ylabel('precision')
        charts.name_ends(axes, ends)

    return Picture(
        name='precision-recall',
        title=f'Of the frequent labels {best["label"]} is told best, {worst["label"]} worst'
        if len(shown) > 1
        else f'{best["label"]} has an average precision of {float(best["average_precision"]):.2f}',
        text='Curves that fall from left to right. Average precision: '
        + words.listed([f'{row["label"]} {float(row["average_precision"]):.2f}' for row in shown])
        + '.',
        svg=style.draw(draw, height=3.6),
        note=f'The {len(shown)} labels with the most test papers, named in the order of their average precision, best on '
        'top. Dots: at the thresholds.',
        table=Table(
            ('label', 'average precision', 'precision', 'recall', 'test papers'),
            [
                (
                    row['label'],
                    f'{float(row["average_precision"]):.3f}',
                    _cell(row['precision'], 3),
                    _cell(row['recall'], 3),
                    words.count(int(row['test_papers'])),
                )
                for row in shown
            ],
        ),
    )


def bins_of(rows: Sequence[Row], pairs: str) -> list[tuple[float, float, int]]:
    """Mean score, share that applies and number of pairs of each bin that has any."""
    return [
        (float(row['mean_score']), float(row['share']), int(row['pairs']))
        for row in rows
        if row['pairs_of'] == pairs and int(row['pairs']) and row['mean_score'] and row['share']
    ]


def reliability(model: Model) -> Block:
    """Scores against the share that applies, before and after calibration."""
    after = bins_of(model.reliability or (), 'first')
    if not after:
        path = outputs.join(model.folder, RELIABILITY_FILE)
        return not_published('reliability', 'Calibration is not shown', path, 'train')
    before = bins_of(model.reliability_before or (), 'first')
    both = {'before': before, 'after': after} if before else {'after': after}

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        most = max(number for bins in both.values() for *_, number in bins)
        for name, colour, marker in (('before', style.ORANGE, 's'), ('after', style.BLUE, 'o')):
            scores, shares, numbers = zip(*both.get(name, [(0.0, 0.0, 0)]), strict=True)
            if name in both:
                label = f'{name} calibration'
                axes.plot(scores, shares, color=colour, linewidth=1.3, marker=marker, markersize=0, label=label)
                sizes = [12 + 60 * number / most for number in numbers]
                axes.scatter(scores, shares, s=sizes, color=colour, marker=marker, alpha=0.85, linewidths=0)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        charts.shares_on(axes, 'x')
        charts.shares_on(axes, 'y')
        axes.set_xlabel('score of a paper’s first label')
        axes.set_ylabel('share that is right')
        axes.legend(frameon=False, fontsize=9, loc='upper left')

    errors = calibration_errors(model.metrics)
    note = 'First labels of the test papers, in bins of their score; larger dots are more papers. On the dashed line '
    note += 'scores mean what they say.'
    if not before:
        note += f' {RELIABILITY_BEFORE_FILE} is missing: run "arxiv-tagger train" again to see it before calibration.'
    return Picture(
        name='reliability',
        title=f'The score of the first label is off by {100 * errors["first", "after"]:.1f} percentage points'
        + (f' ({100 * errors["first", "before"]:.1f} before calibration)' if ('first', 'before') in errors else ''),
        text='Shares that are right against scores, beside the diagonal. '
        + ' '.join(
            f'{name.capitalize()} calibration: '
            + words.listed([f'{words.percent(share)} right at a score of {score:.2f}' for score, share, _ in bins])
            + '.'
            for name, bins in both.items()
        ),
        svg=style.draw(draw, height=3.6),
        note=note,
        table=Table(
            ('expected calibration error', *(f'{name} calibration' for name in ('before', 'after'))),
            [
                (
                    f'of {what}',
                    *(
                        f'{100 * errors[pairs, when]:.2f} points' if (pairs, when) in errors else '–'
                        for when in ('before', 'after')
                    ),
                )
                for pairs, what in (('first', 'first labels'), ('all', 'all pairs of a paper and a label'))
            ],
        ),
    )


def calibration_errors(metrics: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """('first' or 'all', 'before' or 'after') -> expected calibration error of the test papers, where it is known."""
    names = {'first': 'expected_calibration_error_top', 'all': 'expected_calibration_error'}
    calibration = metrics.get('calibration') or {}
    sides = {'before': (calibration.get('before') or {}).get('test', {}), 'after': metrics['test']}
    found = {(pairs, when): side.get(name) for pairs, name in names.items() for when, side in sides.items()}
    return {key: value for key, value in found.items() if value is not None}


def labels_table(rows: Sequence[Row]) -> Part:
    """All labels with their figures: a table that can be sorted and searched."""
    titles = {name: title for title, name in taxonomy.category_titles().items()}
    columns = [column for column in _COLUMNS if rows and column in rows[0]]
    whole = {'training_papers', 'test_papers'}
    cells = [
        {
            'label': row['label'],
            'title': titles.get(row['label'], ''),
            'cells': [
                {'text': _cell(row[column], 0 if column in whole else 3), 'value': row[column]} for column in columns
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
        f'{words.count(never)} are never given',
        content={'columns': [_COLUMNS[column] for column in columns], 'rows': cells},
        note='Figures of the test papers, at the thresholds. A dash: not defined, as no test paper has the label or none '
        'gets it. The average precision needs no threshold.',
    )


def _cell(value: str, digits: int) -> str:
    return f'{float(value):,.{digits}f}' if value else '–'
