"""What `train` is asked to do: a frozen value, checked when built, in the words that the user typed."""

from __future__ import annotations

import dataclasses
import math

from schemas.errors import ConfigError


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What `train` is asked to do.

    The recipe is `dropout=0, ngram_dropout=0, learning_rate=1e-3`, on data prepared with the weighting 'tf_idf'. With
    l2-normalized weights and the dropout that is the default here, more epochs go by before the model overfits.

    Attributes:
        data_dir: a finished output of `prepare`.
        model_dir: where the model is published.
        overwrite: whether a finished model there may be replaced. Exported versions are kept.
        epochs: at most so many passes over the training papers.
        patience: stop after so many epochs in a row without a better validation nDCG@5.
        batch_size: papers a step.
        learning_rate: Adam's step size.
        seed: of the initial weights, the dropout and the order of the papers.
        hidden_units: width of each hidden layer; the first is the embedding of the n-grams.
        dropout: share of the units of each hidden layer that a training step leaves out.
        ngram_dropout: share of a paper's n-grams that a training step leaves out.
        top_k: labels a paper in the answer of the exported model.
    """

    data_dir: str
    model_dir: str
    overwrite: bool = False
    epochs: int = 20
    patience: int = 3
    batch_size: int = 128
    learning_rate: float = 3e-3
    seed: int = 0
    hidden_units: tuple[int, ...] = (512, 256)
    dropout: float = 0.5
    ngram_dropout: float = 0.5
    top_k: int = 10

    def __post_init__(self) -> None:
        for name in ('epochs', 'patience', 'batch_size', 'top_k'):
            value = getattr(self, name)
            _require(value >= 1, f'--{name} {value} is below 1')
        _require(
            0 < self.learning_rate < math.inf,
            f'--learning_rate {self.learning_rate} is not a number above 0',
        )
        _require(0 <= self.seed < 2**32, f'--seed {self.seed} is not between 0 and {2**32 - 1}')
        _require(bool(self.hidden_units), '--hidden_units names no layer; at least one is needed')
        for units in self.hidden_units:
            _require(units >= 1, f'--hidden_units {units} is below 1')
        for name in ('dropout', 'ngram_dropout'):
            value = getattr(self, name)
            _require(0 <= value < 1, f'--{name} {value} is not at least 0 and below 1')
