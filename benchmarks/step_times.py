"""Times training steps of our sparse model and of the recipe's dense one, in turn, so that load hits both alike."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import recipe
import tensorflow as tf
from figures import parser, write
from prepared import Prepared

from schemas import features, outputs
from trainer.config import TrainConfig
from trainer.dataset import count_papers, shards
from trainer.train import compiled_tagger

# Steps of a block: the first ones, which find batches that were read while the other model had its turn, do not count.
_SPARSE_BLOCK, _SPARSE_SKIPPED = 30, 10
_DENSE_BLOCK, _DENSE_SKIPPED = 6, 1


def sparse_model(prepared: Prepared, config: dict[str, Any]) -> keras.Model:
    """Makes the model that `train` fits.

    Args:
        prepared: its training data.
        config: `config` of its metrics.json.
    """
    settings = config | {'hidden_units': tuple(config['hidden_units'])}
    return compiled_tagger(
        TrainConfig(data_dir='', model_dir='', **settings), ngrams=prepared.ngrams, labels=prepared.labels
    )


def step_seconds(model: keras.Model, batches: tf.data.Dataset, batch_size: int) -> Iterator[float]:
    """Yields the seconds that each step on a full batch takes, reading the batch included; runs what `fit` runs."""
    model.make_train_function()
    rows = iter(batches.filter(lambda _, applies: tf.shape(applies)[0] == batch_size).repeat())
    while True:
        started = time.perf_counter()
        float(model.train_function(rows)['loss'])
        yield time.perf_counter() - started


def block(steps: Iterator[float], size: int, skipped: int) -> list[float]:
    """Takes `size` steps and returns the seconds of all but the first `skipped`."""
    return [next(steps) for _ in range(size)][skipped:]


def summary(blocks: list[list[float]], papers: int, batch_size: int) -> dict[str, Any]:
    """Describes the steps of one model; an epoch is the median step times the steps of an epoch."""
    seconds = np.concatenate(blocks)
    steps = math.ceil(papers / batch_size)
    return {
        'measured': len(seconds),
        'min': float(seconds.min()),
        'median': float(np.median(seconds)),
        'batch_size': batch_size,
        'steps_per_epoch': steps,
        'epoch_of_min': float(seconds.min()) * steps,
        'epoch_of_median': float(np.median(seconds)) * steps,
    }


def main() -> None:
    """Runs the measurement."""
    flags = parser(__doc__)
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--model_dir', required=True)
    flags.add_argument('--recipe_data_dir', required=True)
    flags.add_argument('--steps', type=int, required=True, help='dense steps to measure')
    arguments = flags.parse_args()

    keras.utils.set_random_seed(0)
    config = outputs.read_json(outputs.join(arguments.model_dir, features.METRICS_FILE))['config']
    ours, published = Prepared.of(arguments.data_dir), Prepared.of(arguments.recipe_data_dir)
    papers = count_papers(shards(ours.data_dir, 'train'))
    batch_size = config['batch_size']
    sparse = step_seconds(sparse_model(ours, config), ours.batches('train', batch_size, config['seed']), batch_size)
    dense_model = recipe.dense_model(published.ngrams, published.labels)
    dense = step_seconds(dense_model, recipe.dense_batches(published), recipe.BATCH_SIZE)

    # Warm-up: tracing, memory, and the buffers for shuffling.
    block(sparse, 10, 0)
    block(dense, 3, 0)
    sparse_blocks, dense_blocks = [], []
    for number in range(math.ceil(arguments.steps / (_DENSE_BLOCK - _DENSE_SKIPPED))):
        sparse_blocks.append(block(sparse, _SPARSE_BLOCK, _SPARSE_SKIPPED))
        dense_blocks.append(block(dense, _DENSE_BLOCK, _DENSE_SKIPPED))
        medians = f'{np.median(sparse_blocks[-1]):.3f} s sparse, {np.median(dense_blocks[-1]):.3f} s dense'
        print(f'steps: block {number + 1}, median step {medians}', file=sys.stderr, flush=True)
    per_epoch = math.ceil(papers / batch_size) / math.ceil(papers / recipe.BATCH_SIZE)
    ratios = [float(np.median(a) / np.median(b)) * per_epoch for a, b in zip(sparse_blocks, dense_blocks, strict=True)]
    write(
        arguments.result,
        {
            'sparse': summary(sparse_blocks, papers, batch_size),
            'dense': summary(dense_blocks, papers, recipe.BATCH_SIZE),
            'ratios_of_blocks': ratios,
        },
    )


if __name__ == '__main__':
    main()
