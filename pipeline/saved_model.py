"""A SavedModel in a session, as TensorFlow Serving has it: a call runs in the thread that makes it.

`tf.saved_model.load` gives functions that hand each call, operation by operation, to threads of TensorFlow. The answers
are the same; a call for one paper takes twice as long, and one for 16 papers beside another half as long again
(CONTRIBUTING.md). Calls side by side are the caller's to make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.signatures import SIGNATURES, Signature, Tensor


class SavedModel:
    """A SavedModel in memory.

    Attributes:
        signatures: what it says it can be asked, by name.
    """

    def __init__(self, folder: str) -> None:
        """Loads it.

        Raises:
            Exception: whatever TensorFlow raises.
        """
        import tensorflow as tf

        config = tf.compat.v1.ConfigProto(
            # Operations that do not run on an accelerator run beside it, as they do without a session.
            allow_soft_placement=True,
            intra_op_parallelism_threads=1,
            # Negative: the thread that calls.
            inter_op_parallelism_threads=-1,
        )
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        meta_graph = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], folder)
        # The one with underscores is its initialization, run already.
        definitions = {name: one for name, one in meta_graph.signature_def.items() if not name.startswith('__')}
        self.signatures = {name: _described(definition) for name, definition in definitions.items()}
        self._calls = {name: self._callable(definitions[name]) for name in SIGNATURES if name in definitions}

    def call(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Calls one of `SIGNATURES`; the first call of each takes longer.

        Args:
            signature: its name.
            **inputs: what it takes, by name: arrays, or what becomes one.

        Returns:
            What it gives, by name.
        """
        names, call = self._calls[signature]
        return call(*(inputs[name] for name in names))

    def _callable(self, definition: Any) -> tuple[list[str], Callable[..., dict[str, np.ndarray]]]:
        inputs, outputs = (
            {name: self._session.graph.get_tensor_by_name(tensor.name) for name, tensor in some.items()}
            for some in (definition.inputs, definition.outputs)
        )
        return list(inputs), self._session.make_callable(outputs, list(inputs.values()))


def _described(definition: Any) -> Signature:
    return Signature(
        *({name: _tensor(one) for name, one in some.items()} for some in (definition.inputs, definition.outputs))
    )


def _tensor(info: Any) -> Tensor:
    import tensorflow as tf

    rank = None if info.tensor_shape.unknown_rank else len(info.tensor_shape.dim)
    # What is made of several tensors may have no type of its own.
    return Tensor(tf.as_dtype(info.dtype).name if info.dtype else 'composite', rank)
