"""What training was like, epoch by epoch: rows from which everything is told that depends on the course of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from schemas import outputs

# A finished epoch: its number from 1, the learning rate at its end, the loss, and the figures of the validation papers
# as `val_...`, None where a figure is not defined.
Row = Mapping[str, int | float | None]

# What early stopping and the choice of the best weights go by: higher is better.
MONITORED = 'ndcg_at_5'


def monitored(row: Row) -> float:
    """The figure that decides how good an epoch was."""
    value = row[f'val_{MONITORED}']
    return float('-inf') if value is None else value


def best_epoch(rows: Sequence[Row]) -> int:
    """The number of the epoch after which the monitored figure was best; the first of equally good ones.

    >>> best_epoch([{'epoch': 1, 'val_ndcg_at_5': .5}, {'epoch': 2, 'val_ndcg_at_5': .7}])
    2

    Raises:
        ValueError: if there are no epochs.
    """
    number = max(rows, key=monitored)['epoch']
    return int(number or 0)


def is_over(rows: Sequence[Row], epochs: int, patience: int) -> bool:
    """Whether a run has come to its end: after `epochs`, or `patience` epochs after the best one.

    >>> rows = [{'epoch': 1, 'val_ndcg_at_5': .5}, {'epoch': 2, 'val_ndcg_at_5': .4}]
    >>> is_over(rows, epochs=9, patience=1), is_over(rows, epochs=9, patience=2), is_over(rows, epochs=2, patience=2)
    (True, False, True)
    """
    return len(rows) >= epochs or (bool(rows) and len(rows) - best_epoch(rows) >= patience)


def write_csv(path: str, rows: Sequence[Row]) -> None:
    """Writes one line an epoch; the fields are named by the first row, undefined figures are empty."""
    text = io.StringIO(newline='')
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    outputs.write_text(path, text.getvalue())
