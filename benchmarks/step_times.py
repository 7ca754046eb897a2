"""Times training steps of our sparse model and of the recipe's dense one, in turn, so that load hits both alike.

Also times reading alone. Uses the first GPU, if TensorFlow sees one.
"""

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
from defaults import default_config, taggers
from figures import parser, write
from prepared import training_batches

from trainer.config import TrainConfig
from trainer.prepared import Prepared, open_prepared
from trainer.shards import count_papers

# Steps of a block: the first ones, which find batches that were read while the other model had its turn, do not count.
_SPARSE_BLOCK, _SPARSE_SKIPPED = 30, 10
_DENSE_BLOCK, _DENSE_SKIPPED = 6, 1
# More than are ever read.
_EPOCHS = range(1000)


def reading(prepared: Prepared, config: TrainConfig) -> dict[str, Any]:
    """Times a pass over the training papers that only reads them, as `train` does, after one that nobody times."""
    for _ in range(2):
        batches = training_batches(prepared, config.batch_size, config.seed, range(1))
        started = time.perf_counter()
        papers = sum(int(applies.shape[0]) for _, applies in batches)
        seconds = time.perf_counter() - started
    return {'papers': papers, 'seconds': seconds, 'papers_per_second': papers / seconds}


def step_seconds(model: keras.Model, batches: tf.data.Dataset, batch_size: int) -> Iterator[float]:
    """Yields the seconds that each step on a full batch takes, reading the batch included; runs what `fit` runs."""
    model.make_train_function()
    rows = iter(batches.filter(lambda _, applies: tf.shape(applies)[0] == batch_size))
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
    flags = parser(__doc__.split('\n\n')[0])
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--recipe_data_dir', help='the same papers for the dense model; without it, ours alone is timed')
    flags.add_argument('--precision', default=TrainConfig.precision, help='as train has it')
    flags.add_argument('--steps', type=int, required=True, help='dense steps to measure')
    arguments = flags.parse_args()

    ours = open_prepared(arguments.data_dir)
    config = default_config(arguments.data_dir, precision=arguments.precision)
    result: dict[str, Any] = {'gpu': gpu_name(), 'reading': reading(ours, config)}
    batches = training_batches(ours, config.batch_size, config.seed, _EPOCHS)
    sparse = step_seconds(taggers(config, ours).trained, batches, config.batch_size)
    # Warm-up: tracing, memory, and the buffers for shuffling.
    block(sparse, 10, 0)
    dense: Iterator[float] | None = None
    if arguments.recipe_data_dir:
        published = open_prepared(arguments.recipe_data_dir)
        dense_model = recipe.dense_model(published.ngrams, len(published.labels))
        dense = step_seconds(dense_model, recipe.dense_batches(published, _EPOCHS), recipe.BATCH_SIZE)
        block(dense, 3, 0)

    sparse_blocks, dense_blocks = [], []
    for number in range(math.ceil(arguments.steps / (_DENSE_BLOCK - _DENSE_SKIPPED))):
        sparse_blocks.append(block(sparse, _SPARSE_BLOCK, _SPARSE_SKIPPED))
        medians = f'{1000 * np.median(sparse_blocks[-1]):.1f} ms sparse'
        if dense:
            dense_blocks.append(block(dense, _DENSE_BLOCK, _DENSE_SKIPPED))
            medians += f', {1000 * np.median(dense_blocks[-1]):.1f} ms dense'
        print(f'steps: block {number + 1}, median step {medians}', file=sys.stderr, flush=True)
    papers = count_papers(ours.shards['train'])
    result['sparse'] = summary(sparse_blocks, papers, config.batch_size)
    if dense:
        per_epoch = math.ceil(papers / config.batch_size) / math.ceil(papers / recipe.BATCH_SIZE)
        pairs = zip(sparse_blocks, dense_blocks, strict=True)
        result['dense'] = summary(dense_blocks, papers, recipe.BATCH_SIZE)
        result['ratios_of_blocks'] = [float(np.median(a) / np.median(b)) * per_epoch for a, b in pairs]
    write(arguments.result, result)


def gpu_name() -> str | None:
    """Returns the name of the first GPU that TensorFlow sees, if any."""
    names = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices('GPU')]
    return names[0].get('device_name', 'GPU') if names else None


if __name__ == '__main__':
    main()
