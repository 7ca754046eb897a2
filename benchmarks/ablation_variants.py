"""What the ablation tries: variants of the defaults, each in flags of `arxiv-tagger`. Data only."""

from __future__ import annotations

from typing import NamedTuple


class Variant(NamedTuple):
    """A change of the defaults.

    Attributes:
        name: for --only, and of its folder.
        train: flags of `train`.
        prepare: flags of `prepare`.
    """

    name: str
    train: str = ''
    prepare: str = ''


DEFAULTS = Variant('defaults')

VARIANTS = (
    # The recipe, all of it and choice by choice.
    Variant(
        'recipe',
        '--hidden_units 512 256 --dropout 0 --ngram_dropout 0 --batch_size 128 --learning_rate 0.001 '
        '--embedding_rate 1 --embedding_epsilon none --learning_rate_schedule constant --ensemble_size 1',
        '--weighting tf_idf --text abstract',
    ),
    Variant('recipe_layers', '--hidden_units 512 256 --ensemble_size 1'),
    Variant('tf_idf', prepare='--weighting tf_idf'),
    Variant('abstract_only', prepare='--text abstract'),
    Variant('one_adam', '--embedding_rate 1 --embedding_epsilon none'),
    Variant('constant_rate', '--learning_rate_schedule constant'),
    Variant('no_dropout', '--dropout 0'),
    Variant('no_ngram_dropout', '--ngram_dropout 0'),
    # Layers.
    Variant('wide_path', '--wide'),
    Variant('wide_path_alone', '--wide --ensemble_size 1 --hidden_units'),
    Variant('one_model', '--ensemble_size 1 --hidden_units 480'),
    Variant('ensemble_of_2', '--ensemble_size 2 --hidden_units 240'),
    Variant('ensemble_of_4', '--ensemble_size 4 --hidden_units 120'),
    Variant('units_256', '--hidden_units 256'),
    # Loss and optimizer.
    Variant('label_smoothing', '--label_smoothing 0.1'),
    Variant('positive_weights', '--positive_weights sqrt'),
    Variant('cosine', '--learning_rate_schedule cosine'),
    Variant('weight_decay', '--weight_decay 0.004'),
    Variant('batch_128', '--batch_size 128'),
    Variant('batch_512', '--batch_size 512'),
    # Features.
    Variant('vocabulary_400000', prepare='--vocabulary_size 400000'),
    Variant('sublinear_tf', prepare='--sublinear_tf'),
    # What is decided once the weights are final.
    Variant('single_threshold', '--thresholds single'),
    Variant('no_calibration', '--no-calibration'),
)
