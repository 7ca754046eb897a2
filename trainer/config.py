"""What `train` is asked to do: a frozen value, checked when built, in the words that the user typed."""

from __future__ import annotations

import dataclasses
import math

from schemas.errors import ConfigError

POSITIVE_WEIGHTS = ('none', 'balanced', 'sqrt')
LEARNING_RATE_SCHEDULES = ('constant', 'linear', 'cosine')
THRESHOLDS = ('per_label', 'single')
STRATEGIES = ('auto', 'one_device', 'mirrored', 'tpu')
PRECISIONS = ('float32', 'mixed_float16', 'mixed_bfloat16', 'auto')


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What `train` is asked to do.

    The recipe is `hidden_units=(512, 256), dropout=0, ngram_dropout=0, batch_size=128, learning_rate=1e-3,
    learning_rate_schedule='constant', embedding_rate=1, embedding_epsilon=None, ensemble_size=1`, on data prepared with
    the weighting 'tf_idf'. What the defaults have in place of it was chosen on validation papers: see
    benchmarks/RESULTS.md.

    Attributes:
        data_dir: a finished output of `prepare`.
        model_dir: where the model is published.
        overwrite: whether a finished model there may be replaced. Exported versions are kept.
        resume: whether a run of the same settings that was broken off there goes on, or starts anew.
        epochs: at most so many passes over the training papers; None: see `planned_epochs`.
        patience: stop after so many epochs in a row without a better validation nDCG@5.
        batch_size: papers a step.
        learning_rate: Adam's step size, the highest of its schedule.
        embedding_rate: step size of the weights of n-grams, as a multiple of that of the others.
        embedding_epsilon: Adam's epsilon for the weights of n-grams, times the numbers of labels and of models, since
            the loss is a mean over both; None: Keras' 1e-7, as for the others. `trainer.optimizer` says what it does to
            rare ones.
        learning_rate_schedule: how it falls over the epochs; see `trainer.schedules`.
        warmup_fraction: share of the steps in which it first rises.
        weight_decay: share of a weight, times the learning rate, that a step takes off; see `trainer.optimizer`.
        label_smoothing: how far labels are moved towards their share of the papers; see `trainer.losses`.
        positive_weights: how much more a label counts in the loss where it applies; see `trainer.imbalance`.
        seed: of the initial weights, the dropout and the order of the papers.
        hidden_units: width of each hidden layer; the first is the embedding of the n-grams. None with `wide` alone.
        dropout: share of the units of each hidden layer that a training step leaves out.
        ngram_dropout: share of a paper's n-grams that a training step leaves out.
        wide: whether a linear layer beside the hidden ones adds to the logits.
        ensemble_size: models of these layers that are trained side by side, each with dropout of its own, and whose
            logits are averaged; see `trainer.model`.
        calibration: whether probabilities are calibrated on validation papers; see `trainer.calibration`.
        thresholds: whether each label has a threshold of its own; see `trainer.thresholds`.
        strategy: which devices train; see `trainer.strategies`.
        precision: Keras' dtype policy of the hidden layers, or 'auto'; see `trainer.strategies`.
        top_k: labels a paper in the answer of the exported model.
    """

    data_dir: str
    model_dir: str
    overwrite: bool = False
    resume: bool = True
    epochs: int | None = None
    patience: int = 3
    batch_size: int = 256
    learning_rate: float = 4e-3
    embedding_rate: float = 250.0
    embedding_epsilon: float | None = 1e-3
    learning_rate_schedule: str = 'linear'
    warmup_fraction: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    positive_weights: str = 'none'
    seed: int = 0
    hidden_units: tuple[int, ...] = (160,)
    dropout: float = 0.3
    ngram_dropout: float = 0.5
    wide: bool = False
    ensemble_size: int = 3
    calibration: bool = True
    thresholds: str = 'per_label'
    strategy: str = 'auto'
    precision: str = 'float32'
    top_k: int = 10

    def __post_init__(self) -> None:
        for name in ('epochs', 'patience', 'batch_size', 'ensemble_size', 'top_k'):
            value = getattr(self, name)
            _require(value is None or value >= 1, f'--{name} {value} is below 1')
        for name in ('learning_rate', 'embedding_rate', 'embedding_epsilon'):
            number = getattr(self, name)
            _require(number is None or 0 < number < math.inf, f'--{name} {number} is not a number above 0')
        for name, choices in (
            ('positive_weights', POSITIVE_WEIGHTS),
            ('learning_rate_schedule', LEARNING_RATE_SCHEDULES),
            ('thresholds', THRESHOLDS),
            ('strategy', STRATEGIES),
            ('precision', PRECISIONS),
        ):
            value = getattr(self, name)
            _require(value in choices, f'--{name} {value} is none of {", ".join(choices)}')
        _require(0 <= self.weight_decay < math.inf, f'--weight_decay {self.weight_decay} is below 0 or no number')
        _require(0 <= self.seed < 2**32, f'--seed {self.seed} is not between 0 and {2**32 - 1}')
        _require(bool(self.hidden_units) or self.wide, '--hidden_units names no layer; without --wide one is needed')
        for units in self.hidden_units:
            _require(units >= 1, f'--hidden_units {units} is below 1')
        for name in ('dropout', 'ngram_dropout', 'label_smoothing', 'warmup_fraction'):
            value = getattr(self, name)
            _require(0 <= value < 1, f'--{name} {value} is not at least 0 and below 1')

    def planned_epochs(self, steps_per_epoch: int) -> int:
        """Returns `epochs`, or where nobody says 4, or as many as make 100 steps of few papers.

        >>> config = TrainConfig(data_dir='data', model_dir='model')
        >>> config.planned_epochs(132), config.planned_epochs(20)
        (4, 5)
        """
        return self.epochs or max(4, math.ceil(100 / steps_per_epoch))
