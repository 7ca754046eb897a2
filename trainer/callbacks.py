"""What happens while a model is fitted: validation, the state after each epoch, and a line for the user."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from typing import Any, Protocol, TextIO

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from schemas.errors import JobError
from trainer import history
from trainer.curves import Curves
from trainer.metrics import StreamingMetrics
from trainer.resume import Course, UnfinishedRun


class Counts(Protocol):
    """What counts papers, as `StreamingMetrics` does."""

    def add(self, truth: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> None:
        """Counts a batch: 1 where a label applies, and scores, both [papers, labels]."""


def measure(
    model: keras.Model,
    papers: tf.data.Dataset,
    propensities: Any,
    thresholds: Any = None,
    beside: Iterable[Counts] = (),
) -> StreamingMetrics:
    """Measures a model on papers.

    Args:
        model: gives float32 [papers, labels].
        papers: batches as `trainer.dataset.batches` reads them.
        propensities: float32 [labels].
        thresholds: float32 [labels]; without them, 0.5 for every label.
        beside: what else is to count the papers.
    """
    labels = len(propensities)
    metrics = StreamingMetrics(labels, np.full(labels, 0.5) if thresholds is None else thresholds, propensities)
    counting = (metrics, *beside)
    for weights, applies in papers:
        truth, scores = applies.numpy(), model.predict_on_batch(weights)
        for counts in counting:
            counts.add(truth, scores)
    return metrics


class StopAtDivergence(keras.callbacks.Callback):
    """Ends training soon after the loss is no number any more.

    Args:
        learning_rate: that the user chose.

    Raises:
        JobError: from `fit`.
    """

    # The loss is the mean over the epoch so far: once it is no number, it stays so. To look at it waits for the step.
    _STEPS = 20

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self._learning_rate = learning_rate
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if batch % self._STEPS == 0:
            self._check(float(logs['loss']), f'step {batch + 1} of epoch {self._epoch + 1}')

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self._check(logs['loss'], f'epoch {epoch + 1}')

    def _check(self, loss: float, when: str) -> None:
        if not math.isfinite(loss):
            raise JobError(
                f'The loss is {loss} after {when}: training diverged. Start anew with smaller steps: '
                f'--no-resume --learning_rate {self._learning_rate / 3:.1g}.'
            )


class Validate(keras.callbacks.Callback):
    """Measures a tagger on validation papers after each epoch, while a model that shares its weights is fitted.

    Puts each figure of `StreamingMetrics.result` into the logs as `val_...`, where the callbacks after this one find
    it. The thresholds are 0.5 until training is over.
    """

    def __init__(self, tagger: keras.Model, papers: tf.data.Dataset, propensities: Any) -> None:
        super().__init__()
        self._tagger = tagger
        self._papers = papers
        self._propensities = propensities

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        result = measure(self._tagger, self._papers, self._propensities).result()
        logs.update({f'val_{name}': value for name, value in result.items() if not name.startswith('papers')})


class Record(keras.callbacks.Callback):
    """Adds an epoch to the course of the run, saves the state, and ends training when it is over.

    Args:
        run: where the state is saved.
        course: of the epochs before; gains those that are trained now.
        epochs: at most so many.
        patience: as in `history.is_over`.
        curves: shows TensorBoard the epochs.
    """

    def __init__(self, run: UnfinishedRun, course: Course, epochs: int, patience: int, curves: Curves) -> None:
        super().__init__()
        self._run = run
        self._course = course
        self._epochs = epochs
        self._patience = patience
        self._curves = curves
        self._started = self._took = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._took = time.monotonic() - self._started

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        figures = {name: value for name, value in logs.items() if name == 'loss' or name.startswith('val_')}
        # Its float32 as one would write it.
        rate = float(str(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        row = {'epoch': epoch + 1, 'learning_rate': rate, **figures}
        self._run.save(Course([*self._course.rows, row], [*self._course.seconds, self._took]))
        self._course.rows.append(row)
        self._course.seconds.append(self._took)
        self._curves.add(self._course.rows[-1])
        self.model.stop_training = history.is_over(self._course.rows, self._epochs, self._patience)


class Progress(keras.callbacks.Callback):
    """Says how training goes: a live line on a terminal, one line an epoch elsewhere.

    Args:
        epochs: at most so many.
        course: of the run; the epoch that ends is in it.
        stream: standard error, if left out.
    """

    def __init__(self, epochs: int, course: Course, stream: TextIO | None = None) -> None:
        super().__init__()
        self._epochs = epochs
        self._course = course
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._head = ''
        self._started = self._shown = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._head = f'Epoch {epoch + 1:>{len(str(self._epochs))}}/{self._epochs}'
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        now = time.monotonic()
        if not self._live or now < self._shown + 0.2:
            return
        self._shown = now
        done = (batch + 1) / self.params['steps']
        bar = ('#' * int(30 * done)).ljust(30, '.')
        took = now - self._started
        self._write(f'\r{self._head}  [{bar}] {done:4.0%}  loss {float(logs["loss"]):.4f}  {took:.0f} s')

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        rows, seconds = self._course
        mark = '  (best so far)' if history.best_epoch(rows) == epoch + 1 else ''
        figures = f'validation nDCG@5 {history.monitored(rows[-1]):.4f}  P@1 {logs["val_precision_at_1"]:.4f}'
        line = f'{self._head}  loss {logs["loss"]:.4f}  {figures}  {seconds[-1]:.1f} s{mark}'
        self._write(f'\r{line:<100}\n' if self._live else f'{line}\n')

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
