"""The recipe as published: Keras' example "Large-scale multi-label text classification", with dense rows.

The features are those of TextVectorization(ngrams=2, output_mode='tf_idf') on the abstracts, made beforehand by
`arxiv-tagger prepare --text abstract --weighting tf_idf` (a test of the project holds the two equal). All rows at once
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
from figures import Scored, figures, parser, write
from prepared import Prepared

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


def dense_batches(prepared: Prepared, seed: int = 0) -> tf.data.Dataset:
    """Reads the training papers in batches of (float32 [papers, ngrams], float32 [papers, labels])."""
    sparse = prepared.batches('train', BATCH_SIZE, seed)
    return sparse.map(lambda weights, applies: (tf.sparse.to_dense(weights), applies)).prefetch(1)


def train(prepared: Prepared, epochs: int) -> list[dict[str, Any]]:
    """Trains for some epochs; returns figures and seconds of each."""
    keras.utils.set_random_seed(0)
    model = dense_model(prepared.ngrams, prepared.labels)
    batches = dense_batches(prepared)

    def score(weights: tf.SparseTensor) -> npt.NDArray[np.float32]:
        return np.asarray(model.predict_on_batch(tf.sparse.to_dense(weights)))

    def after_epoch(number: int) -> dict[str, Any]:
        started = time.perf_counter()
        # Keras counts epochs from the first call; each goes on with the weights and moments of the one before.
        history = model.fit(batches, epochs=number, initial_epoch=number - 1, shuffle=False, verbose=0)
        seconds = time.perf_counter() - started
        print(f'recipe: epoch {number} of {epochs}, {seconds:.0f} s', file=sys.stderr, flush=True)
        result = figures(*(Scored(*prepared.scores(split, score)) for split in ('validation', 'test')))
        return result | {'seconds': seconds, 'loss': history.history['loss'][-1]}

    return [after_epoch(number) for number in range(1, epochs + 1)]


def main() -> None:
    """Runs the measurement."""
    flags = parser('Trains the recipe as published, dense, and measures it after each epoch.')
    flags.add_argument('--data_dir', required=True)
    flags.add_argument('--epochs', type=int, required=True)
    arguments = flags.parse_args()
    prepared = Prepared.of(arguments.data_dir)
    write(arguments.result, {'epochs': train(prepared, arguments.epochs), 'ngrams': prepared.ngrams})


if __name__ == '__main__':
    main()
