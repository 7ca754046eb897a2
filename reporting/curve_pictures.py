"""Pictures of what depends on a threshold or a score: precision against recall, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from reporting import charts, laws, style, words
from reporting.content import Block, Line, Picture, Table, not_published
from reporting.inputs import PRECISION_RECALL_FILE, RELIABILITY_BEFORE_FILE, RELIABILITY_FILE, Model, Row
from schemas import outputs

_CURVES = 6
_CURVE_POINTS = 150


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
        note=f'The {len(shown)} labels with the most test papers, named in the order of their average '
        'precision, best on '
        'top. Dots: at the thresholds.',
        table=Table(
            ('label', 'average precision', 'precision', 'recall', 'test papers'),
            [
                (
                    row['label'],
                    f'{float(row["average_precision"]):.3f}',
                    words.cell(row['precision'], 3),
                    words.cell(row['recall'], 3),
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
    after = bins_of(model.reliability or (), 'all')
    if not after:
        path = outputs.join(model.folder, RELIABILITY_FILE)
        return not_published('reliability', 'Calibration is not shown', path, 'train')
    before = bins_of(model.reliability_before or (), 'all')
    both = {'before': before, 'after': after} if before else {'after': after}

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for name, colour, marker in (('before', style.ORANGE, 's'), ('after', style.BLUE, 'o')):
            if name in both:
                scores, shares, numbers = zip(*both[name], strict=True)
                # Bins of a few pairs are off by chance; small dots say so.
                sizes = [min(42, 4 + number) for number in numbers]
                axes.plot(scores, shares, color=colour, linewidth=1.2)
                axes.scatter(
                    scores, shares, sizes, color=colour, marker=marker, linewidths=0, label=f'{name} calibration'
                )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        charts.shares_on(axes, 'x')
        charts.shares_on(axes, 'y')
        axes.set_xlabel('score of a label')
        axes.set_ylabel('share of such labels that apply')
        axes.legend(frameon=False, fontsize=9, loc='upper left')

    errors = calibration_errors(model.metrics)
    note = 'All pairs of a test paper and a label, in bins of the score; small dots are bins of a few pairs. On the '
    note += 'dashed line scores mean what they say.'
    if not before:
        note += f' {RELIABILITY_BEFORE_FILE} is missing: run "arxiv-tagger train" again to see it before calibration.'
    off = errors.get(('all', 'after'))
    title = (
        'Scores beside the share that applies'
        if off is None
        else f'Scores are off by {100 * off:.2f} percentage points'
    )
    return Picture(
        name='reliability',
        title=title
        + (
            f' on average, {100 * errors["all", "before"]:.2f} before calibration'
            if ('all', 'before') in errors
            else ''
        ),
        text='Shares that apply against scores, beside the diagonal. '
        + ' '.join(
            f'{name.capitalize()} calibration: '
            + words.listed([f'{words.percent(share)} at a score of {score:.2f}' for score, share, _ in bins])
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
                for pairs, what in (('all', 'all pairs of a paper and a label'), ('first', 'first labels'))
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
