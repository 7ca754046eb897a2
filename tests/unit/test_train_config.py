"""A TrainConfig cannot be wrong: what makes no sense is refused in the words of the flags."""

import dataclasses
import subprocess
import sys

import pytest

from schemas.errors import ConfigError
from trainer.config import TrainConfig


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
        ({'seed': -1}, '--seed -1 is not between 0 and 4294967295'),
        ({'hidden_units': ()}, '--hidden_units names no layer; at least one is needed'),
        ({'hidden_units': (512, 0)}, '--hidden_units 0 is below 1'),
        ({'dropout': 1.0}, '--dropout 1.0 is not at least 0 and below 1'),
        ({'ngram_dropout': -0.1}, '--ngram_dropout -0.1 is not at least 0 and below 1'),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_the_words_of_the_flags(setting, message):
    with pytest.raises(ConfigError) as refusal:
        TrainConfig(data_dir='data', model_dir='model', **setting)
    assert str(refusal.value) == message


def test_the_recipe_can_be_reached():
    config = TrainConfig(data_dir='data', model_dir='model', dropout=0.0, ngram_dropout=0.0)
    assert config.hidden_units == (512, 256)


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
