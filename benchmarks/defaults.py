"""Our model as `arxiv-tagger train` makes it by default, for programs that look into its training."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np

from trainer import dataset, strategies
from trainer.config import TrainConfig
from trainer.imbalance import positive_weights
from trainer.model import Taggers, compiled_tagger
from trainer.prepared import Prepared


def default_config(data_dir: str, **changes: Any) -> TrainConfig:
    """Returns what `train` does if its flags do not say otherwise."""
    return dataclasses.replace(TrainConfig(data_dir=data_dir, model_dir=''), **changes)


def taggers(config: TrainConfig, prepared: Prepared) -> Taggers:
    """Makes what `train` fits on one device."""
    keras.utils.set_random_seed(config.seed)
    strategy = strategies.find_strategy('one_device')
    with_label = [prepared.papers_with(label, 'train') for label in prepared.labels]
    papers = prepared.statistics['splits']['train']
    return compiled_tagger(
        config,
        ngrams=prepared.ngrams,
        labels=len(prepared.labels),
        steps_per_epoch=dataset.steps(prepared.shards['train'], config.batch_size),
        positive_weights=positive_weights(with_label, papers, config.positive_weights),
        label_shares=(np.array(with_label) / papers).astype(np.float32),
        precision=strategies.dtype_policy(config.precision, strategy),
    )
