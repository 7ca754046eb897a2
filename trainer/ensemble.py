"""The members of an ensemble, merged into one model that gives the same and costs less."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.model import build_tagger, member_prefixes


def merged(
    tagger: keras.Model, *, hidden_units: tuple[int, ...], wide: bool, ensemble_size: int, precision: str = 'float32'
) -> keras.Model:
    """Merges the members of an ensemble.

    A mean of logits is linear in the last layer, and members share no unit: their hidden units stand side by side, the
    weights from the units of one member to those of another are 0, the last layer's are divided by the number of
    members, and of the linear layers one is left, their mean. An n-gram is then looked up and multiplied once.

    Args:
        tagger: as `build_tagger` makes it.
        hidden_units: what it was made with.
        wide: what it was made with.
        ensemble_size: what it was made with.
        precision: what it was made with.

    Returns:
        A model of one member that gives the probabilities of `tagger`, and does not share its weights; `tagger`
        itself, if it has but one.
    """
    if ensemble_size == 1:
        return tagger
    whole = build_tagger(
        ngrams=tagger.input_shape[1],
        labels=tagger.output_shape[1],
        hidden_units=tuple(ensemble_size * units for units in hidden_units),
        wide=wide,
        precision=precision,
    )
    for layer in whole.layers:
        if layer.name == 'probabilities':
            layer.set_weights(tagger.get_layer(layer.name).get_weights())
        elif layer.weights:
            parts = [tagger.get_layer(prefix + layer.name) for prefix in member_prefixes(ensemble_size)]
            kernels, biases = ([part.kernel.value for part in parts], [part.bias.value for part in parts])
            kernel, bias = _merged_layer(layer.name, bool(hidden_units), kernels, biases)
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
    return whole


def release(variables: Iterable[keras.Variable]) -> None:
    """Frees the memory of variables that nobody will read again: a step, once traced, never lets go of its own."""
    for variable in variables:
        for replica in getattr(variable.value, 'values', [variable.value]):
            tf.raw_ops.AssignVariableOp(resource=replica.handle, value=tf.zeros([0], replica.dtype))


def _merged_layer(name: str, hidden: bool, kernels: Sequence[Any], biases: Sequence[Any]) -> tuple[Any, Any]:
    ops = keras.ops
    if name == 'embedding':
        units = biases[0].shape[0]
        linear = sum(kernel[:, units:] for kernel in kernels) / len(kernels)
        return ops.concatenate([*(kernel[:, :units] for kernel in kernels), linear], axis=1), ops.concatenate(biases)
    if name == 'logits':
        kernel = ops.concatenate(kernels) if hidden else sum(kernels)
        return kernel / len(kernels), sum(biases) / len(biases)
    apart = [
        ops.concatenate([ops.zeros_like(kernel)] * i + [kernel] + [ops.zeros_like(kernel)] * (len(kernels) - 1 - i), 1)
        for i, kernel in enumerate(kernels)
    ]
    return ops.concatenate(apart), ops.concatenate(biases)
