"""The tagger: weighted n-grams in, a probability for each label out."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.config import TrainConfig
from trainer.imbalance import prior_log_odds
from trainer.losses import CrossEntropyOfLogits
from trainer.optimizer import LazyAdam, LazyLossScale
from trainer.schedules import learning_rate
from trainer.sparse_dense import SparseDense


@keras.saving.register_keras_serializable('arxiv_tagger')
class CalibratedSigmoid(keras.layers.Layer):
    """Turns logits into probabilities: sigmoid(scale * logits + offset), as Platt (1999) calibrates a classifier.

    Both are scalars that no gradient reaches; they start at 1 and 0, an ordinary sigmoid, and are chosen on papers
    that the model was not trained on. An offset of 0 leaves temperature scaling (Guo et al., 2017). A positive scale
    changes no paper's ranking of labels.

    Attributes:
        scale: float32 scalar weight.
        offset: float32 scalar weight.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        del input_shape
        self.scale = self.add_weight(shape=(), initializer='ones', trainable=False, name='scale')
        self.offset = self.add_weight(shape=(), initializer='zeros', trainable=False, name='offset')

    def call(self, inputs: Any) -> Any:
        return keras.ops.sigmoid(self.scale * inputs + self.offset)


def member_prefixes(ensemble_size: int) -> list[str]:
    """What the names of each member's layers begin with; nothing, if there is but one."""
    return [f'member_{number}_' for number in range(1, ensemble_size + 1)] if ensemble_size > 1 else ['']


def build_tagger(
    *,
    ngrams: int,
    labels: int,
    hidden_units: tuple[int, ...],
    dropout: float = 0.0,
    ngram_dropout: float = 0.0,
    wide: bool = False,
    ensemble_size: int = 1,
    bias: npt.ArrayLike = 0.0,
    precision: str = 'float32',
) -> keras.Model:
    """Makes multi-layer perceptrons as the recipe has one, their first layers sparse, and averages their logits.

    The last layers are `mean_logits`, whose inputs are those of the members, and `probabilities`, a
    `CalibratedSigmoid`.

    Args:
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.
        hidden_units: width of each hidden layer, all with ReLU; none makes a linear model.
        dropout: share of the hidden units that are left out in training.
        ngram_dropout: share of the n-grams that are left out in training.
        wide: adds to the logits what a linear layer makes of the n-grams (Cheng et al., 2016, "Wide & deep learning").
            A model without hidden layers is that alone.
        ensemble_size: number of members, each with weights and dropout of its own.
        bias: float32 [labels], or one number, that the biases of the logits start from.
        precision: Keras' dtype policy of the hidden layers. All weights, the sums of n-grams and the logits are float32
            in any case: small steps would be lost, and probabilities near 0 and 1 decide the ranking.

    Returns:
        A model that is not compiled: float32 SparseTensor [papers, ngrams] to float32 [papers, labels], between 0
        and 1. Its random initial values follow `keras.utils.set_random_seed`.
    """
    inputs = keras.Input((ngrams,), sparse=True, name='ngrams')
    logits = [
        _member(
            inputs,
            prefix,
            labels=labels,
            hidden_units=hidden_units,
            dropout=dropout,
            ngram_dropout=ngram_dropout,
            wide=wide,
            bias=bias,
            precision=precision,
        )
        for prefix in member_prefixes(ensemble_size)
    ]
    mean = keras.layers.Average(dtype='float32', name='mean_logits')(logits)
    return keras.Model(inputs, CalibratedSigmoid(dtype='float32', name='probabilities')(mean), name='tagger')


def _member(
    inputs: keras.KerasTensor,
    prefix: str,
    *,
    labels: int,
    hidden_units: tuple[int, ...],
    dropout: float,
    ngram_dropout: float,
    wide: bool,
    bias: npt.ArrayLike,
    precision: str,
) -> keras.KerasTensor:
    """Adds the layers of a member, whose names begin with `prefix`, and gives its logits."""
    last = {'bias_initializer': keras.initializers.Constant(bias), 'dtype': 'float32'}
    if not hidden_units:
        return SparseDense(labels, dropout=ngram_dropout, name=f'{prefix}logits', **last)(inputs)
    embedding = SparseDense(
        hidden_units[0],
        'relu',
        linear_units=labels if wide else 0,
        dropout=ngram_dropout,
        dtype=precision,
        name=f'{prefix}embedding',
    )(inputs)
    hidden, *linear = embedding if wide else [embedding]
    hidden = keras.layers.Dropout(dropout, dtype=precision, name=f'{prefix}embedding_dropout')(hidden)
    for layer, units in enumerate(hidden_units[1:], start=1):
        hidden = keras.layers.Dense(units, 'relu', dtype=precision, name=f'{prefix}hidden_{layer}')(hidden)
        hidden = keras.layers.Dropout(dropout, dtype=precision, name=f'{prefix}hidden_{layer}_dropout')(hidden)
    logits = keras.layers.Dense(labels, name=f'{prefix}logits', **last)(hidden)
    return keras.layers.Add(dtype='float32', name=f'{prefix}deep_and_wide')([logits, *linear]) if wide else logits


class Taggers(NamedTuple):
    """Two models of the same layers and weights.

    Attributes:
        tagger: gives probabilities; what is measured in training, and merged (`trainer.ensemble`) after it.
        trained: gives the logits of each member of the ensemble, float32 [papers, members, labels], and is compiled;
            what is fitted.
    """

    tagger: keras.Model
    trained: keras.Model


def compiled_tagger(
    config: TrainConfig,
    *,
    ngrams: int,
    labels: int,
    steps_per_epoch: int = 1,
    positive_weights: npt.NDArray[np.float32] | None = None,
    label_shares: npt.NDArray[np.float64] | None = None,
    strategy: tf.distribute.Strategy | None = None,
    precision: str = 'float32',
    static_shapes: bool = False,
) -> Taggers:
    """Makes the model that `train` fits, with its optimizer and loss.

    Args:
        config: its layers, dropout, loss and learning rate.
        ngrams: size of the n-gram vocabulary.
        labels: number of labels.
        steps_per_epoch: for the schedule of the learning rate.
        positive_weights: as in `CrossEntropyOfLogits`.
        label_shares: float64 [labels], share of the papers that each label applies to, between 0 and 1: where the
            biases of the logits start, and what label smoothing moves labels towards. Without it, 1 / (labels + 1).
        strategy: where it is trained; default: one device. See `trainer.strategies`.
        precision: as in `build_tagger`; the config's may be 'auto'.
        static_shapes: `trained` takes the pair of int32 ids and float32 weights, each [papers, n], that
            `trainer.strategies.padded` makes, in place of a SparseTensor, and XLA compiles its step.
    """
    strategy = strategy or tf.distribute.get_strategy()
    shares = np.full(labels, 1 / (labels + 1)) if label_shares is None else label_shares
    with strategy.scope():
        tagger = build_tagger(
            ngrams=ngrams,
            labels=labels,
            hidden_units=config.hidden_units,
            dropout=config.dropout,
            ngram_dropout=config.ngram_dropout,
            wide=config.wide,
            ensemble_size=config.ensemble_size,
            bias=prior_log_odds(shares, positive_weights),
            precision=precision,
        )
        terms = labels * config.ensemble_size
        optimizer = LazyAdam(
            learning_rate(config, steps_per_epoch),
            weight_decay=config.weight_decay,
            sparse_rate=config.embedding_rate,
            sparse_epsilon=config.embedding_epsilon and config.embedding_epsilon / terms,
            static_shapes=static_shapes,
        )
        optimizer.exclude_from_weight_decay(var_names=['bias'])
        trained = _padded_logits(tagger) if static_shapes else _logits(tagger)
        trained.compile(
            LazyLossScale(optimizer) if precision == 'mixed_float16' else optimizer,
            CrossEntropyOfLogits(config.label_smoothing, shares, positive_weights),
            # XLA compiles for fixed shapes, and each batch has another number of n-grams.
            jit_compile=static_shapes,
        )
        trained.optimizer.build(trained.trainable_variables)
    # Made outside the scope: it measures batches whole, on one device.
    tagger = keras.Model(tagger.inputs, tagger.outputs, name='tagger')
    tagger.jit_compile = False
    return Taggers(tagger, trained)


class _Trained(keras.Model):
    """A model that is built, and need not be when `fit` begins."""

    def _maybe_symbolic_build(self, *arguments: Any, **named: Any) -> None:
        # To learn the shapes, Keras would take the mean of the devices' batches, which fails where they are sparse.
        pass


def _members_logits(tagger: keras.Model) -> keras.KerasTensor:
    return keras.ops.stack(keras.tree.flatten(tagger.get_layer('mean_logits').input), axis=1)


def _logits(tagger: keras.Model) -> keras.Model:
    return _Trained(tagger.inputs, _members_logits(tagger), name='trained')


def _padded_logits(tagger: keras.Model) -> keras.Model:
    ids, weights = keras.Input((None,), dtype='int32', name='ids'), keras.Input((None,), name='weights')
    first = [layer for layer in tagger.layers if isinstance(layer, SparseDense)]
    for layer in first:
        layer.supports_jit = True
    rest = keras.Model(keras.tree.flatten([layer.output for layer in first]), _members_logits(tagger), name='rest')
    return _Trained(
        [ids, weights], rest(keras.tree.flatten([layer((ids, weights)) for layer in first])), name='trained'
    )
