"""How the learning rate changes in the course of training."""

from __future__ import annotations

import math
from typing import Any

import keras

from trainer.config import TrainConfig


def share_of_rate(schedule: str, done: float, warmup: float) -> float:
    """Gives the learning rate, as a share of its highest, when a share of the training is done.

    It rises from 0 in a straight line during the warm-up (Goyal et al., 2017, section 2.2). From then on 'constant'
    stays, 'linear' falls to 0 in a straight line, and 'cosine' in half a cosine wave (Loshchilov and Hutter, 2017).

    Args:
        schedule: 'constant', 'linear' or 'cosine'.
        done: share of the steps, from 0 to 1.
        warmup: share of the steps in which the rate rises, from 0 to below 1.

    >>> [share_of_rate('linear', done, warmup=0.2) for done in (0, 0.1, 0.2, 0.6, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return float(_share(schedule, done, warmup))


def _share(schedule: str, done: Any, warmup: float) -> Any:
    ops = keras.ops
    left = (1 - ops.minimum(done, 1.0)) / (1 - warmup)
    after = {'constant': ops.ones_like(left), 'linear': left, 'cosine': (1 - ops.cos(math.pi * left)) / 2}[schedule]
    return ops.where(done < warmup, done / warmup, after) if warmup else after


@keras.saving.register_keras_serializable('arxiv_tagger')
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """`share_of_rate` times the highest rate, step by step.

    Args:
        schedule: as in `share_of_rate`.
        rate: the highest.
        steps: of the whole training, if it is not stopped early.
        warmup: as in `share_of_rate`.
    """

    def __init__(self, schedule: str, rate: float, steps: int, warmup: float) -> None:
        self.schedule, self.rate, self.steps, self.warmup = schedule, rate, steps, warmup

    def __call__(self, step: Any) -> Any:
        # The first step is step 0, and in a warm-up it shall learn something.
        done = (keras.ops.cast(step, 'float32') + (1 if self.warmup else 0)) / self.steps
        return self.rate * _share(self.schedule, done, self.warmup)

    def get_config(self) -> dict[str, Any]:
        return {'schedule': self.schedule, 'rate': self.rate, 'steps': self.steps, 'warmup': self.warmup}


def learning_rate(config: TrainConfig, steps_per_epoch: int) -> float | Schedule:
    """Makes what the optimizer takes as its learning rate.

    Args:
        config: its learning rate, its schedule and its epochs, which the schedule goes by even where early stopping
            ends training before.
        steps_per_epoch: training batches an epoch.
    """
    if config.learning_rate_schedule == 'constant' and not config.warmup_fraction:
        return config.learning_rate
    steps = config.planned_epochs(steps_per_epoch) * steps_per_epoch
    return Schedule(config.learning_rate_schedule, config.learning_rate, steps, config.warmup_fraction)
