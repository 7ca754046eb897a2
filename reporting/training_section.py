"""The section on the training: loss, figures of the validation papers and learning rate, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes

from reporting import charts, style, words
from reporting.content import Block, Line, Picture, Section, Table, Tile
from reporting.inputs import Model, Row

# Figures of the validation papers, and what they are called.
_FIGURES = {
    'precision_at_1': 'P@1',
    'ndcg_at_5': 'nDCG@5',
    'micro_f1': 'micro-F1',
    'mean_average_precision': 'mean AP',
    'macro_f1': 'macro-F1',
}


def training_section(model: Model) -> Section:
    """Makes the section."""
    metrics = model.metrics
    seconds = metrics['seconds_per_epoch']
    return Section(
        'training',
        'The training',
        f'{model.folder}: a model of {words.count(metrics["parameters"])} parameters over '
        f'{words.count(metrics["ngrams"])} n-grams.',
        [
            Tile(
                words.count(metrics['epochs']), 'epochs', f'the weights are those after epoch {metrics["best_epoch"]}'
            ),
            Tile(duration(seconds), 'an epoch', f'about {duration(seconds * metrics["epochs"])} for all of them'),
        ],
        list(_blocks(model.history, metrics['best_epoch'])),
    )


def duration(seconds: float) -> str:
    """Writes a time.

    >>> [duration(seconds).replace(chr(0xa0), ' ') for seconds in (1.4, 200, 8000)]
    ['1.4 s', '3.3 min', '2.2 h']
    """
    for size, unit in ((3600, 'h'), (60, 'min')):
        if seconds >= 1.5 * size:
            return f'{seconds / size:.1f}\u00a0{unit}'
    return f'{seconds:.1f}\u00a0s'


def _blocks(history: Sequence[Row], kept: int) -> Iterator[Block]:
    if not history:
        yield Line(name='loss', title='There is no history', text='history.csv has no epochs.')
        return
    yield loss(history, kept)
    yield figures(history, kept)
    yield learning_rate(history, kept)


def course(history: Sequence[Row], column: str) -> tuple[list[float], list[float]]:
    """Epochs and values of a column, where it has one.

    >>> course([{'epoch': '1', 'loss': '.5'}, {'epoch': '2', 'loss': ''}], 'loss')
    ([1.0], [0.5])
    """
    rows = [row for row in history if row.get(column)]
    return [float(row['epoch']) for row in rows], [float(row[column]) for row in rows]


def _drawn(history: Sequence[Row], series: Mapping[str, str], kept: int, y: str, *, from_zero: bool = False) -> str:
    found = {name: values for name, column in series.items() if (values := course(history, column))[0]}

    def draw(axes: Axes) -> None:
        charts.lines(found, x='epoch', y=y, from_zero=from_zero)(axes)
        charts.mark(axes, kept, 'kept', right=2 * kept > len(history))

    return style.draw(draw)


def loss(history: Sequence[Row], kept: int) -> Picture:
    """Loss by epoch."""
    series = {'training': 'loss', 'validation': 'val_log_loss'}
    known = {name: values for name, column in series.items() if (values := course(history, column))[0]}
    changes = [f'{_change(*values)} on {name} papers' for name, (_, values) in known.items()]
    return Picture(
        name='loss',
        title=f'Loss {words.listed(changes)}',
        text='; '.join(
            f'a line for {name} papers from {values[0]:.4f} after epoch {epochs[0]:.0f} to '
            f'{values[-1]:.4f} after epoch {epochs[-1]:.0f}'
            for name, (epochs, values) in known.items()
        ).capitalize()
        + f'. A mark at epoch {kept}, which was kept.',
        svg=_drawn(history, series, kept, 'loss a paper and label', from_zero=True),
        note='From the first epoch to the last. Training papers are measured with dropout, and with smoothed '
        'labels and weights where such are set; validation papers without.',
        table=_table(
            history,
            {'loss': 'training loss', 'val_log_loss': 'validation loss', 'val_brier_score': 'validation Brier score'},
        ),
    )


def _change(first: float, *others: float) -> str:
    """Says how a loss changed from its first value to its last.

    >>> [_change(*values).replace(chr(0xa0), ' ') for values in ([.8, .3, .6], [.5, .6], [.5])]
    ['fell by 25 %', 'rose by 20 %', 'fell by 0 %']
    """
    change = (others[-1] if others else first) / first - 1 if first else 0.0
    return f'{"rose" if change > 0 else "fell"} by {words.percent(abs(change))}'


def figures(history: Sequence[Row], kept: int) -> Picture:
    """Figures of the validation papers by epoch."""
    series = {name: f'val_{column}' for column, name in _FIGURES.items()}
    epochs, ndcg = course(history, 'val_ndcg_at_5')
    at_kept = dict(zip(epochs, ndcg, strict=True)).get(float(kept))
    return Picture(
        name='figures',
        title=f'Validation nDCG@5 was best after epoch {kept}, with {words.figure(at_kept)}',
        text='Lines by epoch, of the validation papers: '
        + words.listed(
            [
                f'{name} ends at {course(history, column)[1][-1]:.3f}'
                for name, column in series.items()
                if course(history, column)[1]
            ]
        )
        + f'. Epoch {kept} was kept.',
        svg=_drawn(history, series, kept, 'figure of the validation papers'),
        note='At thresholds of 0.5 and before calibration, which come last. Training papers are measured by '
        'the loss alone.',
        table=_table(history, {f'val_{column}': name for column, name in _FIGURES.items()}),
    )


def learning_rate(history: Sequence[Row], kept: int) -> Picture:
    """Learning rate by epoch."""
    epochs, values = course(history, 'learning_rate')
    same = len(set(values)) == 1
    title = (
        f'The learning rate stayed at {values[0]:g}'
        if same
        else f'The learning rate went from {values[0]:.2g} to {values[-1]:.2g}'
    )
    return Picture(
        name='learning-rate',
        title=title,
        text=f'A line from {values[0]:.3g} at the end of epoch {epochs[0]:.0f} to {values[-1]:.3g} at the end '
        f'of epoch {epochs[-1]:.0f}.',
        svg=_drawn(history, {'learning rate': 'learning_rate'}, kept, 'learning rate', from_zero=True),
        note='At the end of each epoch.',
        table=_table(history, {'learning_rate': 'learning rate'}, '{:.3g}'),
    )


def _table(history: Sequence[Row], columns: Mapping[str, str], form: str = '{:.4f}') -> Table:
    present = {column: name for column, name in columns.items() if any(row.get(column) for row in history)}
    return Table(
        ('epoch', *present.values()),
        [
            (row['epoch'], *(form.format(float(row[column])) if row.get(column) else '–' for column in present))
            for row in history
        ],
    )
