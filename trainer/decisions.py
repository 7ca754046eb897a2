"""What is chosen on validation papers once the weights are final: calibration, then thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras

from trainer.calibration import IDENTITY, Calibration, platt_scaling
from trainer.histograms import LOG_ODDS, LabelHistograms
from trainer.thresholds import Thresholds, choose_thresholds

# What calibration is there to lower.
CALIBRATED_FIGURES = ('expected_calibration_error', 'expected_calibration_error_top', 'brier_score')


class Decisions(NamedTuple):
    """What stands between logits and the labels that a paper is given."""

    calibration: Calibration
    thresholds: Thresholds


def decide(
    tagger: keras.Model,
    uncalibrated: LabelHistograms,
    measure: Callable[[], LabelHistograms],
    *,
    calibrates: bool,
    threshold_method: str,
) -> Decisions:
    """Calibrates a tagger and chooses its thresholds.

    Args:
        tagger: not calibrated yet; its layer `probabilities` is set to the calibration that is found.
        uncalibrated: its scores of validation papers.
        measure: counts the scores of the same papers anew, as `tagger` then gives them.
        calibrates: whether to; otherwise the sigmoid stays as it is.
        threshold_method: one of `config.THRESHOLDS`.
    """
    if not calibrates:
        return Decisions(IDENTITY, choose_thresholds(uncalibrated, threshold_method))
    calibration = platt_scaling(LOG_ODDS, *uncalibrated.totals())
    layer = tagger.get_layer('probabilities')
    layer.scale.assign(calibration.scale)
    layer.offset.assign(calibration.offset)
    return Decisions(calibration, choose_thresholds(measure(), threshold_method))


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
