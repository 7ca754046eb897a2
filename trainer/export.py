"""The exported model: strings in, labels out, in plain TensorFlow.

The transform graph of `prepare`, the weights, the names of the labels and the thresholds are all inside. Loading it
needs TensorFlow and nothing else: neither Keras' classes, nor tf.Transform, nor this package.

>>> served = tf.saved_model.load('model/export/1')  # doctest: +SKIP
>>> served.signatures['serving_default'](title=tf.constant(['...']), abstract=tf.constant(['...']))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from schemas import features, outputs
from trainer.dataset import ngram_matrix

_TEXTS = tf.TensorSpec([None], tf.string)


class Tagger(tf.Module):
    """A trained model behind the transform graph that made its training data.

    Args:
        model: float32 SparseTensor [papers, ngrams] to probabilities [papers, labels].
        transform: the transform graph.
        labels: name of each label.
        thresholds: float32 [labels]; a label is accepted where its probability is at least its threshold.
        propensities: float32 [labels], see `propensity.propensities`.
        top_k: labels a paper in the answer of `serve`.
    """

    def __init__(
        self,
        model: keras.Model,
        transform: tft.TFTransformOutput,
        labels: Sequence[str],
        thresholds: npt.NDArray[np.float32],
        propensities: npt.NDArray[np.float32],
        top_k: int,
    ) -> None:
        super().__init__(name='tagger')
        # What is an attribute is saved: the transform graph with its tables, and the weights; not the Keras model,
        # which would bring its optimizer, nor its layers, which would ask for Keras when loaded.
        self._weights = [weight.value for weight in model.weights]
        self._transform = transform.transform_features_layer()
        self._probabilities = _probabilities(model, self._transform)
        self._labels = list(labels)
        self._thresholds = thresholds
        self._propensities = propensities
        self._default_k = min(top_k, len(labels))

    def signatures(self) -> dict[str, Callable[..., dict[str, tf.Tensor]]]:
        """Gives the functions that `tf.saved_model.save` shall export, by name."""
        k = tf.TensorSpec([], tf.int32)
        return {
            features.SERVING_SIGNATURE: _signature(self.serve, title=_TEXTS, abstract=_TEXTS),
            features.TOP_K_SIGNATURE: _signature(self.best, title=_TEXTS, abstract=_TEXTS, k=k),
            features.PREDICT_ALL_SIGNATURE: _signature(self.predict_all, title=_TEXTS, abstract=_TEXTS),
            features.LABEL_TABLE_SIGNATURE: _signature(self.label_table),
        }

    def serve(self, title: tf.Tensor, abstract: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tags papers with their `top_k` best labels; see `best`."""
        return self.best(title, abstract, tf.constant(self._default_k))

    def best(self, title: tf.Tensor, abstract: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tags papers with their best labels.

        Args:
            title: string [papers]; any bytes.
            abstract: the same.
            k: int32 scalar, how many labels; cut to the number that there are.

        Returns:
            `labels` (string), `scores` (float32) and `accepted` (bool), each [papers, k], best first; of labels with
            equal scores the more frequent one in training comes first.
        """
        probabilities = self._probabilities(title, abstract)
        scores, indices = tf.math.top_k(probabilities, tf.clip_by_value(k, 0, len(self._labels)))
        return {
            features.LABELS: tf.gather(tf.constant(self._labels), indices),
            features.SCORES: scores,
            features.ACCEPTED: scores >= tf.gather(tf.constant(self._thresholds), indices),
        }

    def predict_all(self, title: tf.Tensor, abstract: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives the probability of every label: `probabilities`, float32 [papers, labels]."""
        return {features.PROBABILITIES: self._probabilities(title, abstract)}

    def label_table(self) -> dict[str, tf.Tensor]:
        """Gives what is known of each label, [labels], as `predict_all` orders them.

        Returns:
            `labels` (string), `thresholds` (float32) and `propensities` (float32).
        """
        return {
            features.LABELS: tf.constant(self._labels),
            features.THRESHOLDS: tf.constant(self._thresholds),
            features.PROPENSITIES: tf.constant(self._propensities),
        }


def save_tagger(tagger: Tagger, folder: str) -> None:
    """Writes the SavedModel of `tagger` to `folder`."""
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(tagger, folder, tagger.signatures(), options)


def next_version(export_dir: str) -> int:
    """One more than the newest version in a folder of exported models, or 1.

    Args:
        export_dir: a folder whose children are named by their versions; it can be missing.
    """
    names = tf.io.gfile.listdir(export_dir) if outputs.exists(export_dir) else []
    return 1 + max((int(name.rstrip('/')) for name in names if name.rstrip('/').isdecimal()), default=0)


def _probabilities(model: keras.Model, transform: tf.keras.layers.Layer) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    ngrams = model.input_shape[-1]

    def probabilities(title: tf.Tensor, abstract: tf.Tensor) -> tf.Tensor:
        transformed = transform({features.TITLE: title, features.ABSTRACT: abstract})
        ids, weights = transformed[features.NGRAM_IDS], transformed[features.NGRAM_WEIGHTS]
        return model(ngram_matrix(ids, weights, ngrams), training=False)

    return probabilities


def _signature(
    function: Callable[..., dict[str, tf.Tensor]], **specs: tf.TensorSpec
) -> Callable[..., dict[str, tf.Tensor]]:
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    return tf.function(function).get_concrete_function(**named)
