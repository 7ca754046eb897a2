"""Which labels in the data are likely wrong or missing: confident learning, a label at a time. Pure NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# What is usual for papers with a label cannot be told from fewer.
FEWEST_PAPERS = 5

METHOD = (
    f'Confident learning (Northcutt, Jiang and Chuang, 2021), a problem of its own for each label that {FEWEST_PAPERS} '
    'of the papers or more have: a label in the data is suspect where the probability that it does not apply is above '
    '1/2 and at least its average over the papers without the label, a label that is not in the data where the '
    'probability that it applies is above 1/2 and at least its average over the papers with it; half are of either '
    'kind, if there are as many, and those come first for which that probability exceeds its average most, compared '
    'with the other one. The model was not fitted to these papers, of which it would be too sure, but they chose its '
    'epoch, calibration and thresholds.'
)


class LabelError(NamedTuple):
    """A label that is likely wrong, or likely missing.

    Attributes:
        paper, label: their numbers.
        score: probability that the label applies, as the model sees it.
        in_data: whether the paper has it.
        margin: how sure the model is; see `label_errors`.
    """

    paper: int
    label: int
    score: float
    in_data: bool
    margin: float


def label_errors(
    applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32], number: int, fewest_papers: int = FEWEST_PAPERS
) -> list[LabelError]:
    """Finds labels of which the model is sure, and not of the data's mind.

    With p the score of a paper, t1 the mean of p over the papers that have the label and t0 the mean of 1 - p over
    those that have it not, a paper without the label surely has it if p >= t1, one with the label surely has it not
    if 1 - p >= t0 (Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", Journal
    of Artificial Intelligence Research 70, 2021, equation 1; of two classes, so that labels need not exclude each
    other). These thresholds are low for a label that the model knows badly; scores are calibrated here, so what it is
    sure of must also be likelier than not.

    The order is by margin, the excess of one probability over its threshold less that of the other:
    (p - t1) - ((1 - p) - t0) for labels that are missing, and its negative for those that are wrong. By p alone
    those labels would come first that the model never gives. Margins of missing labels are larger by nature, since
    t0 is near 1, so half of what is listed are wrong ones, if there are as many.

    Args:
        applies: [papers, labels], whether the data has it so.
        scores: [papers, labels], probabilities; of papers that the model was not fitted to.
        number: at most so many; of equal margins the earlier papers come first, then the lower labels.
        fewest_papers: labels that fewer papers have are passed over.
    """
    found: list[LabelError] = []
    for label in range(applies.shape[1]):
        has = applies[:, label]
        if not fewest_papers <= np.count_nonzero(has) < len(has):
            continue
        # float64, where 1 - p loses nothing.
        p = scores[:, label].astype(np.float64)
        t1, t0 = p[has].mean(), (1 - p[~has]).mean()
        margins = np.where(has, -1.0, 1.0) * ((p - t1) - ((1 - p) - t0))
        suspect = np.where(has, (1 - p >= t0) & (p < 0.5), (p >= t1) & (p > 0.5))
        found += [
            LabelError(int(paper), label, float(p[paper]), bool(has[paper]), float(margins[paper]))
            for paper in np.flatnonzero(suspect)
        ]
    ranked = sorted(found, key=lambda error: (-error.margin, error.paper, error.label))
    wrong, missing = ([error for error in ranked if error.in_data == in_data] for in_data in (True, False))
    kept = {
        *wrong[: max(number // 2, number - len(missing))],
        *missing[: max(number - number // 2, number - len(wrong))],
    }
    return [error for error in ranked if error in kept]
