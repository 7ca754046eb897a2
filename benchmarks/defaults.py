"""Our model as `arxiv-tagger train` makes it by default, for programs that look into its training."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from trainer import strategies
from trainer.config import TrainConfig
from trainer.model import Taggers
from trainer.prepared import Prepared
from trainer.train import taggers_for


def default_config(data_dir: str, **changes: Any) -> TrainConfig:
    """Returns what `train` does if its flags do not say otherwise."""
    return dataclasses.replace(TrainConfig(data_dir=data_dir, model_dir=''), **changes)


def taggers(config: TrainConfig, prepared: Prepared) -> Taggers:
    """Makes what `train` fits on one device."""
    keras.utils.set_random_seed(config.seed)
    return taggers_for(config, prepared, strategies.find_strategy('one_device'))
