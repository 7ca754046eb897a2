"""The flags of `train`. Imports no TensorFlow."""

from __future__ import annotations

import argparse
import dataclasses

from trainer.config import (
    LEARNING_RATE_SCHEDULES,
    POSITIVE_WEIGHTS,
    PRECISIONS,
    STRATEGIES,
    THRESHOLDS,
    TrainConfig,
)

PURPOSE = 'train a model on what prepare made, and export it'
EXAMPLES = """
Example:
  arxiv-tagger train --data_dir data --model_dir model --epochs 10
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `train` to its parser."""
    default = TrainConfig(data_dir='', model_dir='')
    folders = parser.add_argument_group('input and output')
    folders.add_argument('--data_dir', required=True, metavar='DIR', help='output folder of prepare')
    folders.add_argument('--model_dir', required=True, metavar='DIR', help='folder for the model')
    folders.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a finished model there; exported versions stay beside the new one',
    )
    folders.add_argument(
        '--resume',
        action=argparse.BooleanOptionalAction,
        default=default.resume,
        help='go on with the run that was broken off there, if it is one of the same flags',
    )
    folders.add_argument(
        '--top_k', type=int, default=default.top_k, metavar='N', help='labels that serving_default gives'
    )
    training = parser.add_argument_group('training')
    training.add_argument(
        '--epochs', type=int, metavar='N', help='at most (default: 4, or as many as make 100 steps of few papers)'
    )
    training.add_argument(
        '--patience',
        type=int,
        default=default.patience,
        metavar='N',
        help='stop after N epochs without a better validation nDCG@5',
    )
    training.add_argument('--batch_size', type=int, default=default.batch_size, metavar='N', help='papers a step')
    training.add_argument(
        '--learning_rate', type=float, default=default.learning_rate, metavar='F', help="Adam's step size"
    )
    training.add_argument(
        '--embedding_rate',
        type=float,
        default=default.embedding_rate,
        metavar='F',
        help='step size of the weights of n-grams, as a multiple of --learning_rate',
    )
    training.add_argument(
        '--embedding_epsilon',
        type=_number_or_none,
        default=default.embedding_epsilon,
        metavar='F',
        help="Adam's epsilon for them, times the numbers of labels and models; none: that of the others",
    )
    training.add_argument(
        '--learning_rate_schedule',
        choices=LEARNING_RATE_SCHEDULES,
        default=default.learning_rate_schedule,
        help='how it falls to 0 in the course of --epochs, if it does',
    )
    training.add_argument(
        '--warmup_fraction',
        type=float,
        default=default.warmup_fraction,
        metavar='F',
        help='share of the steps of --epochs in which the learning rate first rises from 0',
    )
    training.add_argument(
        '--weight_decay',
        type=float,
        default=default.weight_decay,
        metavar='F',
        help='of AdamW; 0.004 is usual in Keras',
    )
    training.add_argument(
        '--label_smoothing',
        type=float,
        default=default.label_smoothing,
        metavar='F',
        help='how far labels are moved towards their share of the papers',
    )
    training.add_argument(
        '--strategy',
        choices=STRATEGIES,
        default=default.strategy,
        help='devices to train on; auto: a TPU, else all GPUs, else the one device that there is',
    )
    training.add_argument(
        '--precision',
        choices=PRECISIONS,
        default=default.precision,
        help='of the hidden layers; auto: what the device is fast at',
    )
    training.add_argument(
        '--positive_weights',
        choices=POSITIVE_WEIGHTS,
        default=default.positive_weights,
        help='how much more a label counts where it applies: by the odds against it, or by their square root',
    )
    training.add_argument('--seed', type=int, default=default.seed, metavar='N', help='of weights, dropout and order')
    model = parser.add_argument_group('model')
    model.add_argument(
        '--hidden_units',
        type=int,
        nargs='*',
        default=list(default.hidden_units),
        metavar='N',
        help='units of each hidden layer; none at all with --wide makes a linear model',
    )
    model.add_argument(
        '--dropout', type=float, default=default.dropout, metavar='F', help='share of hidden units left out'
    )
    model.add_argument(
        '--ngram_dropout', type=float, default=default.ngram_dropout, metavar='F', help='share of n-grams left out'
    )
    model.add_argument(
        '--wide',
        action=argparse.BooleanOptionalAction,
        default=default.wide,
        help='a linear layer beside the hidden ones',
    )
    model.add_argument(
        '--ensemble_size',
        type=int,
        default=default.ensemble_size,
        metavar='N',
        help='models of these layers, trained side by side and averaged',
    )
    decisions = parser.add_argument_group('after training, on the validation papers')
    decisions.add_argument(
        '--calibration',
        action=argparse.BooleanOptionalAction,
        default=default.calibration,
        help='make probabilities agree with observed shares',
    )
    decisions.add_argument(
        '--thresholds',
        choices=THRESHOLDS,
        default=default.thresholds,
        help='one for each label, or the single one that is best for micro-F1',
    )


def _number_or_none(text: str) -> float | None:
    return None if text == 'none' else float(text)


def config_of(arguments: argparse.Namespace) -> TrainConfig:
    """Builds the config that the flags ask for; raises ConfigError."""
    names = {field.name for field in dataclasses.fields(TrainConfig)} - {'hidden_units'}
    flags = {name: getattr(arguments, name) for name in names}
    return TrainConfig(hidden_units=tuple(arguments.hidden_units), **flags)
