"""The recipe as published: Keras' example "Large-scale multi-label text classification", with dense rows.

The features are those of TextVectorization(ngrams=2, output_mode='tf_idf'), made beforehand by `arxiv-tagger prepare
--weighting tf_idf` (a test of the project holds the two equal); the recipe reads `--text abstract`. All rows at once
would fill 20 GB, so each batch is made dense when its turn comes. Splitting and counting the text, which the published
program does again in each epoch, is left out of the recipe's time.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from figures import Scored, figures, logits_of, parser, write
from prepared import ids_and_labels, scores, training_batches

from trainer.prepared import Prepared, open_prepared

BATCH_SIZE = 128


def dense_model(ngrams: int, labels: int) -> keras.Model:
    """Makes the published model, compiled as published."""
    model = keras.Sequential(
        [
            keras.Input((ngrams,)),
            keras.layers.Dense(512, 'relu'),
            keras.layers.Dense(256, 'relu'),
            keras.layers.Dense(labels, 'sigmoid'),
        ]
    )
    model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['binary_accuracy'])
    return model


def dense_batches(prepared: Prepared, epochs: range) -> tf.data.Dataset:
    """Reads the training papers in batches of (float32 [papers, ngrams], float32 [papers, labels])."""
    sparse = training_batches(prepared, BATCH_SIZE, 0, epochs)
    return sparse.map(lambda weights, applies: (tf.sparse.to_dense(weights), applies)).prefetch(1)


def train(prepared: Prepared, epochs: int) -> list[dict[str, Any]]:
    """Trains for some epochs; returns figures and seconds of each."""
    keras.utils.set_random_seed(0)
    model = dense_model(prepared.ngrams, len(prepared.labels))

    def logits(weights: tf.SparseTensor) -> npt.NDArray[np.float64]:
        return logits_of(model.predict_on_batch(tf.sparse.to_dense(weights)))

    def scored(split: str) -> Scored:
        return Scored(*ids_and_labels(prepared, split), scores(prepared, split, logits))

    def after_epoch(number: int) -> dict[str, Any]:
        batches = dense_batches(prepared, range(number - 1, number))
        started = time.perf_counter()
        # Keras counts epochs from the first call; each goes on with the weights and moments of the one before.
        history = model.fit(batches, epochs=number, initial_epoch=number - 1, shuffle=False, verbose=0)
        seconds = time.perf_counter() - started
        print(f'recipe: epoch {number} of {epochs}, {seconds:.0f} s', file=sys.stderr, flush=True)
        result = figures(scored('validation'), scored('test'))
        return result | {'seconds': seconds, 'loss': history.history['loss'][-1]}

    return [after_epoch(number) for number in range(1, epochs + 1)]


def main() -> None:
    """Runs the measurement."""
    flags = parser('Trains the recipe as published, dense, and measures it after each epoch.')
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--epochs', type=int, required=True)
    arguments = flags.parse_args()
    prepared = open_prepared(arguments.data_dir)
    write(arguments.result, {'epochs': train(prepared, arguments.epochs), 'ngrams': prepared.ngrams})


if __name__ == '__main__':
    main()
