"""Merging the members of an ensemble changes what it costs, and nothing that it gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.ensemble import merged
from trainer.model import build_tagger

NGRAMS, LABELS = 60, 7
_RANDOM = np.random.default_rng(0)
WEIGHTS = tf.sparse.from_dense((_RANDOM.random((9, NGRAMS)) * (_RANDOM.random((9, NGRAMS)) < 0.2)).astype(np.float32))


def ensemble(**layers):
    keras.utils.set_random_seed(0)
    tagger = build_tagger(ngrams=NGRAMS, labels=LABELS, **layers)
    for weight in tagger.weights:
        weight.assign(_RANDOM.normal(0, 0.5, weight.shape))
    return tagger


@pytest.mark.parametrize('ensemble_size', [1, 2, 3])
@pytest.mark.parametrize(
    ('hidden_units', 'wide'), [((8,), True), ((8,), False), ((8, 5, 3), True), ((8, 5), False), ((), True)]
)
def test_a_merged_ensemble_gives_the_same_probabilities(hidden_units, wide, ensemble_size):
    layers = {'hidden_units': hidden_units, 'wide': wide, 'ensemble_size': ensemble_size}
    tagger = ensemble(**layers)
    whole = merged(tagger, **layers)
    np.testing.assert_allclose(whole(WEIGHTS), tagger(WEIGHTS), atol=1e-6)
    kernels = [layer for layer in whole.layers if getattr(layer, 'kernel', None) is not None]
    assert kernels[0].kernel.shape == (NGRAMS, ensemble_size * sum(hidden_units[:1]) + (LABELS if wide else 0))


def test_what_becomes_of_a_merged_ensemble_does_not_reach_its_members():
    layers = {'hidden_units': (8,), 'wide': True, 'ensemble_size': 2}
    tagger = ensemble(**layers)
    before = tagger(WEIGHTS).numpy()
    merged(tagger, **layers).get_layer('probabilities').scale.assign(3)
    np.testing.assert_array_equal(tagger(WEIGHTS), before)


def test_a_merged_ensemble_keeps_the_precision():
    layers = {'hidden_units': (8, 5), 'wide': True, 'ensemble_size': 2, 'precision': 'mixed_bfloat16'}
    tagger = ensemble(**layers)
    whole = merged(tagger, **layers)
    assert whole.get_layer('hidden_1').compute_dtype == 'bfloat16'
    np.testing.assert_allclose(whole(WEIGHTS), tagger(WEIGHTS), atol=0.05)
