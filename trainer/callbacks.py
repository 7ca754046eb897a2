"""What happens at the end of each epoch: validation, the best weights so far, and a line for the user."""

from __future__ import annotations

import math
import sys
import time
from typing import Any, TextIO

import keras
import numpy as np
import tensorflow as tf

from schemas.errors import JobError
from trainer.metrics import StreamingMetrics

# What early stopping and the choice of the best weights go by: higher is better.
MONITORED = 'ndcg_at_5'


def measure(model: keras.Model, papers: tf.data.Dataset, thresholds: Any) -> StreamingMetrics:
    """Measures a model on papers.

    Args:
        model: gives float32 [papers, labels].
        papers: batches as `trainer.dataset.batches` reads them.
        thresholds: float32 [labels].
    """
    metrics = StreamingMetrics(len(thresholds), thresholds)
    for weights, applies in papers:
        metrics.add(applies.numpy(), model.predict_on_batch(weights))
    return metrics


class Validate(keras.callbacks.Callback):
    """Measures the model on validation papers after each epoch.

    Puts each figure of `StreamingMetrics.result` into the logs as `val_...`, where the callbacks after this one find
    it. The thresholds are 0.5 until training is over.
    """

    def __init__(self, papers: tf.data.Dataset, labels: int) -> None:
        super().__init__()
        self._papers = papers
        self._thresholds = np.full(labels, 0.5, np.float32)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if not math.isfinite(logs['loss']):
            raise JobError(
                f'The loss is {logs["loss"]} after epoch {epoch + 1}: training diverged. Try a smaller --learning_rate.'
            )
        result = measure(self.model, self._papers, self._thresholds).result()
        logs.update({f'val_{name}': value for name, value in result.items() if not name.startswith('papers')})


class KeepBest(keras.callbacks.Callback):
    """Writes the weights to a file whenever the monitored figure is better than in all epochs before.

    Keras' ModelCheckpoint would write the optimizer's moments too, three times as much.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.best = -math.inf
        self.epoch = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if logs[f'val_{MONITORED}'] > self.best:
            self.best, self.epoch = logs[f'val_{MONITORED}'], epoch + 1
            self._weights().save_weights(self._path, overwrite=True)

    def restore(self) -> None:
        """Gives the model its best weights back."""
        self._weights().load_weights(self._path)

    def _weights(self) -> keras.Model:
        # The same layers, in a model that has no optimizer.
        return keras.Model(self.model.inputs, self.model.outputs)


class Progress(keras.callbacks.Callback):
    """Says how training goes: a live line on a terminal, one line an epoch elsewhere.

    Attributes:
        seconds: of each epoch, validation aside.
    """

    def __init__(self, epochs: int, stream: TextIO | None = None) -> None:
        super().__init__()
        self._epochs = epochs
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._head = ''
        self._started = self._shown = 0.0
        self._best = -math.inf
        self._took = 0.0
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._head = f'Epoch {epoch + 1:>{len(str(self._epochs))}}/{self._epochs}'
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        now = time.monotonic()
        self._took = now - self._started
        if not self._live or now < self._shown + 0.2:
            return
        self._shown = now
        done = (batch + 1) / self.params['steps']
        bar = ('#' * int(30 * done)).ljust(30, '.')
        self._write(f'\r{self._head}  [{bar}] {done:4.0%}  loss {logs["loss"]:.4f}  {self._took:.0f} s')

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.seconds.append(self._took)
        value = logs[f'val_{MONITORED}']
        mark = '  (best so far)' if value > self._best else ''
        self._best = max(value, self._best)
        figures = f'loss {logs["loss"]:.4f}  validation nDCG@5 {value:.4f}  P@1 {logs["val_precision_at_1"]:.4f}'
        line = f'{self._head}  {figures}  {self._took:.1f} s{mark}'
        self._write(f'\r{line:<100}\n' if self._live else f'{line}\n')

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
