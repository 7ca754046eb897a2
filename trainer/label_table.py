"""What is known of each label: how many papers it has, its threshold, and how well it is told on the test papers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas import outputs
from trainer.metrics import LabelFigures


class LabelRow(NamedTuple):
    """A line of `labels.tsv`.

    Attributes:
        label: its name.
        training_papers, validation_papers, test_papers: with the label.
        threshold: from which probability on the label is given.
        given: test papers to which it is given.
        true_positives: those of them that have it.
        precision: true_positives / given; None where it is never given.
        recall: true_positives / test_papers; None where no test paper has it.
        f1: 2 true_positives / (given + test_papers); None where it is never given and no paper has it.
        average_precision: of the label's ranking of the test papers; None where none of them has it.
        expected_calibration_error: how far scores and shares of test papers that have it are apart; None without any.
    """

    label: str
    training_papers: int
    validation_papers: int
    test_papers: int
    threshold: float
    given: int
    true_positives: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    expected_calibration_error: float | None


class GroupRow(NamedTuple):
    """Several labels together.

    Attributes:
        group: their name.
        labels: how many.
        pairs: test papers with each label, summed over the labels.
        precision, recall, f1: micro-averaged over the labels, as in `LabelRow`.
        macro_f1: mean of the F1 of the labels where it is defined; None where it is for none.
    """

    group: str
    labels: int
    pairs: int
    precision: float | None
    recall: float | None
    f1: float | None
    macro_f1: float | None


def label_rows(
    labels: Sequence[str], papers: Mapping[str, Mapping[str, int]], figures: Sequence[LabelFigures]
) -> list[LabelRow]:
    """Puts together what is known of each label.

    Args:
        labels: their names, in the order of their ids.
        papers: label -> split -> papers, as `statistics.json` has it.
        figures: on the test papers, in the same order.
    """
    return [
        LabelRow(
            label=label,
            training_papers=papers[label]['train'],
            validation_papers=papers[label]['validation'],
            test_papers=measured.support,
            threshold=measured.threshold,
            given=measured.given,
            true_positives=measured.true_positives,
            precision=measured.precision,
            recall=measured.recall,
            f1=measured.f1,
            average_precision=measured.average_precision,
            expected_calibration_error=measured.expected_calibration_error,
        )
        for label, measured in zip(labels, figures, strict=True)
    ]


def by_group(rows: Iterable[LabelRow], groups: Mapping[str, str]) -> list[GroupRow]:
    """Adds up the labels of each arXiv group, in the order of the groups' names.

    Args:
        rows: one a label.
        groups: the group of each label; those that it does not know make the group 'other'.
    """
    return _grouped(rows, lambda row: groups.get(row.label, 'other'))


def by_training_papers(rows: Iterable[LabelRow]) -> list[GroupRow]:
    """Adds up the labels that have about as many training papers: 1 to 9, 10 to 99, 100 to 999, and so on."""

    def size(row: LabelRow) -> str:
        low = 10 ** (len(str(row.training_papers)) - 1)
        return f'{low} to {10 * low - 1}'

    return sorted(_grouped(rows, size), key=lambda row: len(row.group))


def _grouped(rows: Iterable[LabelRow], group_of: Callable[[LabelRow], str]) -> list[GroupRow]:
    members: dict[str, list[LabelRow]] = {}
    for row in rows:
        members.setdefault(group_of(row), []).append(row)
    return [_group(group, members[group]) for group in sorted(members)]


def _group(group: str, rows: Sequence[LabelRow]) -> GroupRow:
    found, given, pairs = (
        sum(getattr(row, name) for row in rows) for name in ('true_positives', 'given', 'test_papers')
    )
    defined = [row.f1 for row in rows if row.f1 is not None]
    return GroupRow(
        group=group,
        labels=len(rows),
        pairs=pairs,
        precision=_ratio(found, given),
        recall=_ratio(found, pairs),
        f1=_ratio(2 * found, given + pairs),
        macro_f1=_ratio(sum(defined), len(defined)),
    )


def _ratio(numerator: float, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def write_table(path: str, header: Sequence[str], rows: Iterable[Iterable[Any]], separator: str = ',') -> None:
    """Writes a table of names and numbers; None is empty, and fractions have six significant digits.

    The names must not hold the separator: labels and figures do not.
    """
    lines = [separator.join(header), *(separator.join(map(_cell, row)) for row in rows)]
    outputs.write_text(path, '\n'.join(lines) + '\n')


def _cell(value: object) -> str:
    if value is None:
        return ''
    return f'{value:.6g}' if isinstance(value, float) else str(value)
