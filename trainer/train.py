"""Trains a tagger on what `prepare` published, and publishes the model."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from schemas import features, outputs
from schemas.errors import JobError
from trainer import callbacks, dataset, export
from trainer.config import TrainConfig
from trainer.model import build_tagger
from trainer.optimizer import LazyAdam
from trainer.thresholds import global_thresholds

_BEST_WEIGHTS = 'best.weights.h5'

# Whatever the size of a training batch, measuring goes in larger ones.
_MEASURING_BATCH = 512


def train(config: TrainConfig) -> dict[str, Any]:
    """Trains a tagger and publishes it in `config.model_dir`.

    Publishes `export/N` (a SavedModel; N is one more than the newest there), `metrics.json`, `history.csv`, `logs`
    (TensorBoard) and `checkpoints` (the best weights). The same data, config and machine give the same weights.

    Returns:
        What `metrics.json` holds.

    Raises:
        JobError: if `config.data_dir` is no finished output of `prepare` or lacks training or validation papers, if
            `config.model_dir` cannot be written, or if training diverges.
    """
    outputs.require_completed(config.data_dir, 'prepare')
    with outputs.publish(
        config.model_dir,
        features.TRAIN_PUBLISHES,
        made_by='train',
        overwrite=config.overwrite,
        keep=(features.EXPORT_DIR,),
    ) as staging:
        keras.utils.set_random_seed(config.seed)
        transform = tft.TFTransformOutput(outputs.join(config.data_dir, features.TRANSFORM_GRAPH_DIR))
        labels, ngrams = dataset.vocabularies(config.data_dir)
        splits = _splits(config, ngrams=ngrams, labels=len(labels))
        model = compiled_tagger(config, ngrams=ngrams, labels=len(labels))
        run = _fit(model, splits, config, staging)
        _say(f'Measuring the weights of epoch {run["best_epoch"]} on the validation and test papers')
        thresholds = _thresholds(model, splits['validation'], len(labels))
        metrics = {
            **{split: callbacks.measure(model, splits[split], thresholds).result() for split in ('validation', 'test')},
            'thresholds': {'method': 'global_micro_f1', 'value': float(str(thresholds[0]))},
            **run,
            'parameters': model.count_params(),
            'ngrams': ngrams,
            'labels': len(labels),
            'config': _settings(config),
        }
        _say('Exporting the model')
        version = export.next_version(outputs.join(config.model_dir, features.EXPORT_DIR))
        tagger = export.Tagger(model, transform, labels, thresholds, config.top_k)
        export.save_tagger(tagger, outputs.join(staging, features.EXPORT_DIR, str(version)))
        outputs.write_json(outputs.join(staging, features.METRICS_FILE), metrics)
    return metrics


def _splits(config: TrainConfig, *, ngrams: int, labels: int) -> dict[str, tf.data.Dataset]:
    def read(split: str, batch_size: int, shuffle_seed: int | None = None) -> tf.data.Dataset:
        files = dataset.shards(config.data_dir, split)
        return dataset.batches(files, ngrams=ngrams, labels=labels, batch_size=batch_size, shuffle_seed=shuffle_seed)

    splits = {
        'train': read('train', config.batch_size, config.seed),
        'validation': read('validation', _MEASURING_BATCH),
        'test': read('test', _MEASURING_BATCH),
    }
    for split in ('train', 'validation'):
        if splits[split].cardinality() == 0:
            raise JobError(
                f'{config.data_dir} holds no {split} papers. '
                'Prepare more papers, or other shares of them (--validation_fraction, --test_fraction).'
            )
    return splits


def compiled_tagger(config: TrainConfig, *, ngrams: int, labels: int) -> keras.Model:
    """Makes the model that `train` fits, with its optimizer and loss.

    Args:
        config: its layers, dropout and learning rate.
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.
    """
    model = build_tagger(
        ngrams=ngrams,
        labels=labels,
        hidden_units=config.hidden_units,
        dropout=config.dropout,
        ngram_dropout=config.ngram_dropout,
    )
    # XLA compiles for fixed shapes, and each batch has another number of n-grams.
    model.compile(LazyAdam(config.learning_rate), 'binary_crossentropy', jit_compile=False)
    return model


def _fit(model: keras.Model, splits: dict[str, tf.data.Dataset], config: TrainConfig, staging: str) -> dict[str, Any]:
    """Trains to the best weights, and says how long it took."""
    outputs.make_folder(outputs.join(staging, features.CHECKPOINTS_DIR))
    best = callbacks.KeepBest(outputs.join(staging, features.CHECKPOINTS_DIR, _BEST_WEIGHTS))
    progress = callbacks.Progress(config.epochs)
    model.fit(
        splits['train'],
        epochs=config.epochs,
        shuffle=False,
        verbose=0,
        # Those that read the figures come after the one that measures them.
        callbacks=[
            callbacks.Validate(splits['validation'], model.output_shape[-1]),
            best,
            progress,
            keras.callbacks.CSVLogger(outputs.join(staging, features.HISTORY_FILE)),
            keras.callbacks.TensorBoard(outputs.join(staging, features.LOGS_DIR), write_graph=False),
            keras.callbacks.EarlyStopping(f'val_{callbacks.MONITORED}', mode='max', patience=config.patience),
        ],
    )
    best.restore()
    return {
        'epochs': len(progress.seconds),
        'best_epoch': best.epoch,
        'seconds_per_epoch': round(math.fsum(progress.seconds) / len(progress.seconds), 1),
    }


def _thresholds(model: keras.Model, papers: tf.data.Dataset, labels: int) -> npt.NDArray[np.float32]:
    counts = callbacks.measure(model, papers, np.full(labels, 0.5, np.float32))
    return global_thresholds(counts.positives, counts.scored, labels)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _settings(config: TrainConfig) -> dict[str, Any]:
    folders = ('data_dir', 'model_dir', 'overwrite')
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in folders}
