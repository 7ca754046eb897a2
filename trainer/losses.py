"""What training minimizes, in Keras' own operations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable('arxiv_tagger')
class CrossEntropyOfLogits(keras.losses.Loss):
    """Binary cross-entropy of logits, a mean over papers and labels, with smoothed labels and weighted positives.

        y = (1 - label_smoothing) label + label_smoothing target
        loss = positive_weight y log(1 + exp(-logit)) + (1 - y) log(1 + exp(logit))

    Smoothing is Szegedy et al.'s (2016, section 7), who also move a label towards its prior; Keras moves it towards
    0.5, which of a hundred labels would make every rare one likely. The positive weight is that of
    `tf.nn.weighted_cross_entropy_with_logits`; its source is King and Zeng (2001, section 4.2).

    Labels are [papers, labels]. Logits are that, too, or those of an ensemble, [papers, members, labels]: the loss is
    then a mean over the members as well, and each learns as if it were alone.

    Args:
        label_smoothing: from 0, none, to below 1.
        targets: what labels are moved towards, one number or one a label, between 0 and 1; 0.5 is Keras' choice.
        positive_weights: float32 [labels], how much more a label that applies counts than one that does not; default 1.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        targets: Any = 0.5,
        positive_weights: Any = None,
        name: str = 'cross_entropy_of_logits',
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing
        self.targets = np.asarray(targets, np.float32)
        self.positive_weights = None if positive_weights is None else np.asarray(positive_weights, np.float32)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        ops = keras.ops
        y = y_true if len(y_pred.shape) == 2 else ops.expand_dims(y_true, 1)
        if self.label_smoothing:
            y = (1 - self.label_smoothing) * y + self.label_smoothing * self.targets
        positive = y * ops.softplus(-y_pred)
        if self.positive_weights is not None:
            positive *= self.positive_weights
        losses = positive + (1 - y) * ops.softplus(y_pred)
        return ops.mean(losses, axis=tuple(range(1, len(losses.shape))))

    def get_config(self) -> dict[str, Any]:
        weights = self.positive_weights
        return {
            **super().get_config(),
            'label_smoothing': self.label_smoothing,
            'targets': self.targets.tolist(),
            'positive_weights': None if weights is None else weights.tolist(),
        }
