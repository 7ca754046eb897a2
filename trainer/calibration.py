"""Makes probabilities mean what they say: Platt scaling, fitted to counts of papers. Pure NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_STEPS = 50
_CLOSE = 1e-9


class Calibration(NamedTuple):
    """How logits become probabilities: sigmoid(scale * logit + offset)."""

    scale: float
    offset: float


IDENTITY = Calibration(1.0, 0.0)


def platt_scaling(log_odds: npt.ArrayLike, positives: npt.ArrayLike, scored: npt.ArrayLike) -> Calibration:
    """Fits the two numbers that make predicted and observed frequencies agree (Platt, 1999; one pair for all labels).

    Maximizes the likelihood of the counted (paper, label) pairs by Newton's method. As Platt proposes, the targets
    are (P + 1) / (P + 2) and 1 / (N + 2) in place of 1 and 0, for P pairs that apply and N that do not, which keeps the
    numbers finite where the scores separate the two. Counts of groups of pairs are enough: what is needed of a pair is
    its logit and whether it applies.

    Args:
        log_odds: float [groups], the logit of the pairs in each group.
        positives: int [groups], how many pairs of the group apply.
        scored: int [groups], how many pairs the group has.

    Returns:
        The calibration; `IDENTITY` where no pair applies or all do, or where higher logits do not mean that a label is
        likelier, so that no scale above 0 fits: there is nothing to learn from such papers.

    >>> platt_scaling([-2.0, 2.0], [100, 900], [1000, 1000])  # observed log odds: -2.2 and 2.2
    Calibration(scale=1.0975, offset=0.0)
    """
    x, hits, pairs = (np.asarray(values, np.float64) for values in (log_odds, positives, scored))
    applying, others = hits.sum(), (pairs - hits).sum()
    if not applying or not others:
        return IDENTITY
    targets = hits * ((applying + 1) / (applying + 2)) + (pairs - hits) / (others + 2)
    features = np.stack([x, np.ones_like(x)])
    # Starting from no dependence on the logit, Newton's steps are damped until the likelihood rises.
    parameters = np.array([1.0, 0.0])
    loss = _negative_log_likelihood(parameters, features, targets, pairs)
    for _ in range(_STEPS):
        probabilities = _sigmoid(parameters @ features)
        gradient = features @ (pairs * probabilities - targets)
        curvature = (features * (pairs * probabilities * (1 - probabilities))) @ features.T
        direction = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        parameters, loss, moved = _damped(parameters, direction, loss, features, targets, pairs)
        if moved < _CLOSE:
            break
    scale, offset = (round(float(value), 6) for value in parameters)
    return Calibration(scale, offset + 0.0) if scale > 0 else IDENTITY


def _damped(
    parameters: npt.NDArray[np.float64],
    direction: npt.NDArray[np.float64],
    loss: float,
    features: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    pairs: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], float, float]:
    """Takes the longest of the steps 1, 1/2, 1/4, ... that does not raise the loss; says how far it went."""
    for halvings in range(30):
        step = direction / 2**halvings
        tried = _negative_log_likelihood(parameters - step, features, targets, pairs)
        if tried <= loss:
            return parameters - step, tried, float(np.abs(step).max())
    return parameters, loss, 0.0


def _negative_log_likelihood(
    parameters: npt.NDArray[np.float64],
    features: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    pairs: npt.NDArray[np.float64],
) -> float:
    z = parameters @ features
    # -[t log p + (n - t) log(1 - p)] = n log(1 + e^z) - t z
    return float(np.sum(pairs * np.logaddexp(0, z) - targets * z))


def _sigmoid(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.exp(-np.logaddexp(0, -z))
