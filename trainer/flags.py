"""The flags of `train`. Imports no TensorFlow."""

from __future__ import annotations

import argparse
import dataclasses

from trainer.config import TrainConfig

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
        '--top_k', type=int, default=default.top_k, metavar='N', help='labels that serving_default gives'
    )
    training = parser.add_argument_group('training')
    training.add_argument('--epochs', type=int, default=default.epochs, metavar='N', help='at most')
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
    training.add_argument('--seed', type=int, default=default.seed, metavar='N', help='of weights, dropout and order')
    model = parser.add_argument_group('model')
    model.add_argument(
        '--hidden_units',
        type=int,
        nargs='+',
        default=list(default.hidden_units),
        metavar='N',
        help='units of each hidden layer',
    )
    model.add_argument(
        '--dropout', type=float, default=default.dropout, metavar='F', help='share of hidden units left out'
    )
    model.add_argument(
        '--ngram_dropout', type=float, default=default.ngram_dropout, metavar='F', help='share of n-grams left out'
    )


def config_of(arguments: argparse.Namespace) -> TrainConfig:
    """Builds the config that the flags ask for; raises ConfigError."""
    names = {field.name for field in dataclasses.fields(TrainConfig)} - {'hidden_units'}
    flags = {name: getattr(arguments, name) for name in names}
    return TrainConfig(hidden_units=tuple(arguments.hidden_units), **flags)
