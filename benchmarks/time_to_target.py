"""Trains our model as `train` does by default, and says after how many seconds it reaches an nDCG@5 on the test papers.

The clock runs from opening the training data on, and stops while the model is measured, every few steps.
"""

from __future__ import annotations

import time
from typing import Any

import keras
from defaults import default_config, taggers
from figures import parser, write
from machine import process_age
from prepared import training_batches

from trainer import dataset
from trainer.callbacks import measure
from trainer.prepared import Prepared, open_prepared

_MEASURING_BATCH = 512


class Clock:
    """Counts seconds from when it is made on, but for those when it is stopped."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Returns what it has counted."""
        return time.perf_counter() - self._started

    def leave_out(self, seconds: float) -> None:
        """Takes back some of it."""
        self._started += seconds


class StopAtTarget(keras.callbacks.Callback):
    """Measures test nDCG@5 every few steps, and after the last one; ends training where it is high enough.

    Args:
        tagger: the model that gives probabilities.
        prepared: has the test papers.
        clock: stands still meanwhile.
        target: the nDCG@5.
        begin: the first step after which to measure, counted from 1.
        every: steps from one measurement to the next.
        steps: of the whole training.

    Attributes:
        points: what was measured: steps, seconds, nDCG@5.
    """

    def __init__(
        self,
        tagger: keras.Model,
        prepared: Prepared,
        clock: Clock,
        *,
        target: float,
        begin: int,
        every: int,
        steps: int,
    ) -> None:
        super().__init__()
        self._tagger = tagger
        self._prepared = prepared
        self._clock = clock
        self._target = target
        self._begin = begin
        self._every = every
        self._steps = steps
        self._step = 0
        self.points: list[tuple[int, float, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        self._step += 1
        due = self._step >= self._begin and (self._step - self._begin) % self._every == 0
        if not due and self._step != self._steps:
            return
        # The step has ended when its loss is there.
        float(logs['loss'])
        seconds = self._clock.seconds()
        papers = self._prepared.batches('test', _MEASURING_BATCH)
        result = measure(self._tagger, papers, self._prepared.propensities).result()
        self.points.append((self._step, seconds, float(result['ndcg_at_5'])))
        print(f'step {self._step}, {seconds:.1f} s: nDCG@5 {result["ndcg_at_5"]:.4f}', flush=True)
        self._clock.leave_out(self._clock.seconds() - seconds)
        self.model.stop_training = self.points[-1][2] >= self._target


def main() -> None:
    """Runs the measurement."""
    flags = parser(__doc__.split('\n\n')[0])
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--target', type=float, required=True)
    flags.add_argument('--seed', type=int, required=True)
    flags.add_argument('--every', type=int, default=20, help='steps from one measurement to the next')
    arguments = flags.parse_args()

    imported = process_age()
    clock = Clock()
    prepared = open_prepared(arguments.data_dir)
    config = default_config(arguments.data_dir, seed=arguments.seed)
    tagger, trained = taggers(config, prepared)
    steps = dataset.steps(prepared.shards['train'], config.batch_size)
    epochs = config.planned_epochs(steps)
    stop = StopAtTarget(
        tagger,
        prepared,
        clock,
        target=arguments.target,
        begin=max(steps // 2, 1),
        every=arguments.every,
        steps=steps * epochs,
    )
    trained.fit(
        training_batches(prepared, config.batch_size, config.seed, range(epochs)),
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[stop],
    )
    step, seconds, ndcg = stop.points[-1]
    result = {
        'target': arguments.target,
        'reached': ndcg >= arguments.target,
        'seconds': seconds,
        'import_seconds': imported,
        'epochs': step / steps,
        'epochs_planned': epochs,
        'points': stop.points,
    }
    write(arguments.result, result)


if __name__ == '__main__':
    main()
