"""A TrainConfig cannot be wrong: what makes no sense is refused in the words of the flags."""

import argparse
import dataclasses
import inspect
import re
import subprocess
import sys

import pytest

from schemas.errors import ConfigError
from trainer.config import TrainConfig
from trainer.flags import add_flags, config_of


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ({'epochs': 0}, '--epochs 0 is below 1'),
        ({'patience': 0}, '--patience 0 is below 1'),
        ({'batch_size': 0}, '--batch_size 0 is below 1'),
        ({'top_k': -3}, '--top_k -3 is below 1'),
        ({'learning_rate': 0.0}, '--learning_rate 0.0 is not a number above 0'),
        ({'learning_rate': float('nan')}, '--learning_rate nan is not a number above 0'),
        ({'learning_rate': float('inf')}, '--learning_rate inf is not a number above 0'),
        ({'embedding_rate': 0.0}, '--embedding_rate 0.0 is not a number above 0'),
        ({'embedding_rate': float('inf')}, '--embedding_rate inf is not a number above 0'),
        ({'embedding_epsilon': -1e-3}, '--embedding_epsilon -0.001 is not a number above 0'),
        ({'embedding_epsilon': float('nan')}, '--embedding_epsilon nan is not a number above 0'),
        ({'positive_weights': 'root'}, '--positive_weights root is none of none, balanced, sqrt'),
        ({'seed': -1}, '--seed -1 is not between 0 and 4294967295'),
        ({'hidden_units': (), 'wide': False}, '--hidden_units names no layer; without --wide one is needed'),
        ({'hidden_units': (512, 0)}, '--hidden_units 0 is below 1'),
        ({'dropout': 1.0}, '--dropout 1.0 is not at least 0 and below 1'),
        ({'ngram_dropout': -0.1}, '--ngram_dropout -0.1 is not at least 0 and below 1'),
        ({'label_smoothing': 1.0}, '--label_smoothing 1.0 is not at least 0 and below 1'),
        ({'warmup_fraction': -0.1}, '--warmup_fraction -0.1 is not at least 0 and below 1'),
        ({'weight_decay': -1.0}, '--weight_decay -1.0 is below 0 or no number'),
        ({'learning_rate_schedule': 'fast'}, '--learning_rate_schedule fast is none of constant, linear, cosine'),
        ({'thresholds': 'best'}, '--thresholds best is none of per_label, single'),
        ({'strategy': 'gpu'}, '--strategy gpu is none of auto, one_device, mirrored, tpu'),
        ({'precision': 'half'}, '--precision half is none of float32, mixed_float16, mixed_bfloat16, auto'),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_the_words_of_the_flags(setting, message):
    with pytest.raises(ConfigError) as refusal:
        TrainConfig(data_dir='data', model_dir='model', **setting)
    assert str(refusal.value) == message


def test_the_recipe_can_be_reached_by_the_flags_that_the_docstring_names():
    [named] = re.findall(r'The recipe is `([^`]*)`', inspect.getdoc(TrainConfig))
    recipe = {
        'hidden_units': (512, 256),
        'dropout': 0,
        'ngram_dropout': 0,
        'batch_size': 128,
        'learning_rate': 1e-3,
        'learning_rate_schedule': 'constant',
        'embedding_rate': 1,
        'embedding_epsilon': None,
        'ensemble_size': 1,
    }
    assert eval(f'dict({named})') == recipe
    flags = (
        '--data_dir data --model_dir model --hidden_units 512 256 --dropout 0 --ngram_dropout 0 '
        '--batch_size 128 --learning_rate 1e-3 --learning_rate_schedule constant --embedding_rate 1 '
        '--embedding_epsilon none --ensemble_size 1'
    )
    parser = argparse.ArgumentParser()
    add_flags(parser)
    assert config_of(parser.parse_args(flags.split())) == TrainConfig(data_dir='data', model_dir='model', **recipe)


@pytest.mark.parametrize(
    ('epochs', 'steps_per_epoch', 'planned'),
    [(None, 1, 100), (None, 24, 5), (None, 25, 4), (None, 2000, 4), (1, 1, 1), (7, 2000, 7)],
)
def test_epochs_are_as_said_or_four_or_as_many_as_make_a_hundred_steps(epochs, steps_per_epoch, planned):
    config = TrainConfig(data_dir='data', model_dir='model', epochs=epochs)
    assert config.planned_epochs(steps_per_epoch) == planned


def test_a_config_cannot_be_changed():
    config = TrainConfig(data_dir='data', model_dir='model')
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 3


def test_config_metrics_and_thresholds_import_neither_tensorflow_nor_beam():
    code = (
        'import sys, trainer.config, trainer.metrics, trainer.thresholds;'
        'print([name for name in ("tensorflow", "keras", "apache_beam") if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '[]\n'
