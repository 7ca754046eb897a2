"""What is chosen on validation papers once the weights are final: calibration, then thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from trainer.calibration import IDENTITY, Calibration, platt_scaling
from trainer.histograms import LOG_ODDS
from trainer.metrics import StreamingMetrics
from trainer.thresholds import Thresholds, choose_thresholds

# What calibration is there to lower.
CALIBRATED_FIGURES = ('expected_calibration_error', 'expected_calibration_error_top', 'brier_score')


class Decisions(NamedTuple):
    """What stands between logits and the labels that a paper is given."""

    calibration: Calibration
    thresholds: Thresholds


def decide(
    tagger: keras.Model,
    measure: Callable[[npt.NDArray[np.float32]], StreamingMetrics],
    labels: int,
    *,
    calibrates: bool,
    threshold_method: str,
) -> Decisions:
    """Calibrates a tagger and chooses its thresholds.

    Args:
        tagger: its layer `probabilities` is set to the calibration that is found.
        measure: measures `tagger`, as it then is, on validation papers, given thresholds: float32 [labels].
        labels: number of labels.
        calibrates: whether to; otherwise the sigmoid stays as it is.
        threshold_method: one of `config.THRESHOLDS`.
    """
    half = np.full(labels, 0.5, np.float32)
    set_calibration(tagger, IDENTITY)
    histograms = measure(half).histograms
    calibration = IDENTITY
    if calibrates:
        calibration = platt_scaling(LOG_ODDS, *histograms.totals())
        set_calibration(tagger, calibration)
        histograms = measure(half).histograms
    return Decisions(calibration, choose_thresholds(histograms, threshold_method))


def set_calibration(tagger: keras.Model, calibration: Calibration) -> None:
    """Sets the scalars of the layer `probabilities`."""
    layer = tagger.get_layer('probabilities')
    layer.scale.assign(calibration.scale)
    layer.offset.assign(calibration.offset)


def described(
    decisions: Decisions, labels: Sequence[str], before: dict[str, Any], after: dict[str, Any]
) -> dict[str, Any]:
    """Describes decisions for metrics.json.

    Args:
        decisions: what was chosen.
        labels: their names.
        before: figures of each split before calibration, as `StreamingMetrics.result` gives them.
        after: the same after it.
    """

    def calibration_of(figures: dict[str, Any]) -> dict[str, Any]:
        return {split: {name: result[name] for name in CALIBRATED_FIGURES} for split, result in figures.items()}

    scale, offset = decisions.calibration
    return {
        'thresholds': {
            'method': decisions.thresholds.method,
            'single': decisions.thresholds.single,
            'by_label': dict(zip(labels, decisions.thresholds.by_label.tolist(), strict=True)),
        },
        'calibration': {
            'scale': scale,
            'offset': offset,
            'before': calibration_of(before),
            'after': calibration_of(after),
        },
    }
