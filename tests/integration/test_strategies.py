"""Several devices give the weights of one. In processes of their own: TensorFlow's devices are set once."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_SCRIPT = """
import json
import sys

import numpy as np
import tensorflow as tf

devices, precision = int(sys.argv[1]), sys.argv[2]
[processor] = tf.config.list_physical_devices('CPU')
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * devices)

import keras

from trainer import model, strategies
from trainer.config import TrainConfig
from trainer.optimizer import LazyAdam

NGRAMS, LABELS, PAPERS, BATCH = 90, 7, 44, 16
random = np.random.default_rng(0)
weights = (random.random((PAPERS, NGRAMS)) * (random.random((PAPERS, NGRAMS)) < 0.2)).astype(np.float32)
applies = (random.random((PAPERS, LABELS)) < 0.3).astype(np.float32)
sparse_rows = []


class Watched(LazyAdam):
    def update_step(self, gradient, variable, learning_rate):
        if variable.shape[0] == NGRAMS:
            sparse_rows.append(isinstance(gradient, tf.IndexedSlices))
        super().update_step(gradient, variable, learning_rate)


def batches():
    # The last batch, of 12 papers, has uneven pieces on 5 devices.
    starts = tf.data.Dataset.range(0, PAPERS, BATCH)
    cut = lambda rows, start: tf.constant(rows)[start:start + BATCH]
    return starts.map(lambda start: (tf.sparse.from_dense(cut(weights, start)), cut(applies, start))).repeat()


def trained(strategy):
    keras.utils.set_random_seed(0)
    config = TrainConfig(
        data_dir='', model_dir='', hidden_units=(16, 8), dropout=0.0, ngram_dropout=0.0, wide=True, learning_rate=1e-3,
        weight_decay=0.01,
    )
    model.LazyAdam = Watched
    taggers = model.compiled_tagger(config, ngrams=NGRAMS, labels=LABELS, strategy=strategy, precision=precision)
    steps = -(-PAPERS // BATCH)
    data = strategies.distributed(strategy, batches(), BATCH)
    losses = taggers.trained.fit(data, epochs=4, steps_per_epoch=steps, shuffle=False, verbose=0).history['loss']
    probabilities = taggers.tagger.predict_on_batch(tf.sparse.from_dense(weights))
    return taggers.tagger.get_weights(), losses, probabilities


mirrored = strategies.find_strategy('mirrored')
several, losses, probabilities = trained(mirrored)
alone, losses_alone, _ = trained(strategies.find_strategy('one_device'))
print(json.dumps({
    'replicas': mirrored.num_replicas_in_sync,
    'difference': max(float(np.abs(one - other).max()) for one, other in zip(several, alone, strict=True)),
    'difference_of_losses': float(np.abs(np.subtract(losses, losses_alone)).max()),
    'sparse': sorted(set(sparse_rows)),
    'probabilities': probabilities.shape,
}))
"""


_TRAIN_SCRIPT = """
import json
import sys

import tensorflow as tf

[processor] = tf.config.list_physical_devices('CPU')
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)

import h5py
import numpy as np

from trainer import callbacks
from trainer.config import TrainConfig
from trainer.train import train

data_dir, folder = sys.argv[1:]


def trained(name, **settings):
    # The last batch of an epoch is smaller, and its pieces are uneven. Calibration is left out: it amplifies.
    config = TrainConfig(
        data_dir=data_dir, model_dir=f'{folder}/{name}', epochs=3, batch_size=100, hidden_units=(16, 8),
        calibration=False, **settings,
    )
    metrics = train(config)
    weights = {}
    with h5py.File(f'{folder}/{name}/checkpoints/best.weights.h5') as file:
        file.visititems(lambda path, item: weights.update({path: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return weights, {split: metrics[split] for split in ('validation', 'test')}


def difference(weights, others):
    assert weights.keys() == others.keys()
    return max(float(np.abs(weights[path] - others[path]).max()) for path in weights if 'seed' not in path)


def break_off(self, epoch, logs):
    if epoch == 1:
        raise KeyboardInterrupt
    say(self, epoch, logs)


without_chance = {'dropout': 0.0, 'ngram_dropout': 0.0}
two, _ = trained('two', strategy='mirrored', **without_chance)
one, _ = trained('one', strategy='one_device', **without_chance)
whole, measured = trained('whole', strategy='mirrored')
say, callbacks.Progress.on_epoch_end = callbacks.Progress.on_epoch_end, break_off
try:
    trained('broken_off', strategy='mirrored')
except KeyboardInterrupt:
    print('broken off', file=sys.stderr)
callbacks.Progress.on_epoch_end = say
gone_on, measured_then = trained('broken_off', strategy='mirrored')
print(json.dumps({
    'weights': sum(value.size for value in two.values()),
    'replicas_to_one_device': difference(two, one),
    'dropout_to_none': difference(whole, two),
    'gone_on_to_whole': difference(gone_on, whole),
    'same_figures': measured == measured_then,
}))
"""


def run(devices, precision):
    return json.loads(run_script(_SCRIPT, devices, precision).stdout.splitlines()[-1])


def run_script(script, *arguments):
    command = [sys.executable, '-c', script, *map(str, arguments)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize('devices', [2, 5])
def test_replicas_give_the_weights_of_one_device_from_sparse_gradients(devices):
    result = run(devices, 'float32')
    assert result['replicas'] == devices
    assert result['difference'] < 1e-5
    assert result['sparse'] == [True]
    assert result['probabilities'] == [44, 7]


def test_the_loss_of_replicas_with_equal_pieces_is_that_of_one_device():
    assert run(2, 'float32')['difference_of_losses'] < 1e-5


def test_replicas_that_scale_their_loss_give_about_the_weights_of_one_device():
    result = run(2, 'mixed_float16')
    assert result['difference'] < 5e-3
    assert result['sparse'] == [True]


@pytest.fixture(scope='module')
def commands(prepared_dir, tmp_path_factory):
    """What five runs of the whole command in one process came to, and what they said."""
    done = run_script(_TRAIN_SCRIPT, prepared_dir, tmp_path_factory.mktemp('strategies'))
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_whole_command_gives_the_same_weights_on_two_devices_as_on_one(commands):
    result, _ = commands
    assert result['weights'] > 20000 * 16
    assert result['replicas_to_one_device'] < 1e-5


def test_a_run_on_two_devices_that_is_broken_off_and_goes_on_comes_to_what_an_undisturbed_one_does(commands):
    result, said = commands
    course = ['The same command goes on after epoch 2', 'broken off', 'Going on after epoch 2 of 3']
    # TensorFlow has its say in between.
    assert [line for line in said.splitlines() if line in course] == course
    assert result['gone_on_to_whole'] == 0
    assert result['same_figures']
    assert result['dropout_to_none'] > 1e-3
