"""The exported model: strings in, labels out, in plain TensorFlow.

The transform graph of `prepare`, the weights, the names of the labels and the thresholds are all inside. Loading it
needs TensorFlow and nothing else: neither Keras' classes, nor tf.Transform, nor this package.

>>> served = tf.saved_model.load('model/export/1')  # doctest: +SKIP
>>> served.signatures['serving_default'](title=tf.constant(['...']), abstract=tf.constant(['...']))  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from schemas import features, outputs
from trainer.dataset import ngram_matrix
from trainer.explain import explainer
from trainer.sparse_dense import SparseDense

_TEXTS = tf.TensorSpec([None], tf.string)
_NUMBER = tf.TensorSpec([], tf.int32)


class Tagger(tf.Module):
    """A trained model behind the transform graph that made its training data.

    Args:
        model: as `model.build_tagger` makes it, of one member: float32 SparseTensor [papers, ngrams] to probabilities
            [papers, labels].
        transform: the transform graph.
        ngrams: spelling of each n-gram, in the order of ids.
        labels: name of each label.
        thresholds: float32 [labels]; a label is accepted where its probability is at least its threshold.
        propensities: float32 [labels], see `propensity.propensities`.
        top_k: labels a paper in the answer of `serve`.
    """

    def __init__(
        self,
        model: keras.Model,
        transform: tft.TFTransformOutput,
        ngrams: Sequence[bytes],
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
        # A graph may hold no constants of more than 2 GB, which long vocabularies take.
        self._ngrams = tf.Variable(tf.constant(ngrams, tf.string, [len(ngrams)]), trainable=False)
        for layer in model.layers:
            if isinstance(layer, SparseDense):
                layer.for_export = True
        self._probabilities = lambda weights: model(weights, training=False)
        self._explain = explainer(model)
        self._labels = list(labels)
        self._thresholds = thresholds
        self._propensities = propensities
        self._default_k = min(top_k, len(labels))

    def signatures(self) -> dict[str, Callable[..., dict[str, tf.Tensor]]]:
        """Gives the functions that `tf.saved_model.save` shall export, by name."""
        texts = {features.TITLE: _TEXTS, features.ABSTRACT: _TEXTS}
        return {
            features.SERVING_SIGNATURE: _signature(self.serve, **texts),
            features.TAG_SIGNATURE: _signature(self.tag, **texts, k=_NUMBER),
            features.EXPLAIN_SIGNATURE: _signature(self.explain, **texts, k=_NUMBER, n=_NUMBER),
            features.PREDICT_ALL_SIGNATURE: _signature(self.predict_all, **texts),
            features.LABEL_TABLE_SIGNATURE: _signature(self.label_table),
        }

    def serve(self, title: tf.Tensor, abstract: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tags papers with their `top_k` best labels.

        Args:
            title: string [papers]; any bytes.
            abstract: the same.

        Returns:
            `labels` (string), `scores` (float32) and `accepted` (bool), each [papers, top_k], best first; of labels
            with equal scores the more frequent one in training comes first.
        """
        return self._answer(self._best(self._read(title, abstract), tf.constant(self._default_k)))

    def tag(self, title: tf.Tensor, abstract: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tags papers with their k best labels, and counts what the model knows of their text.

        Args:
            title: as for `serve`.
            abstract: as for `serve`.
            k: int32 scalar; cut to the number of labels.

        Returns:
            What `serve` gives, [papers, k]. `words` of the text, occurrences of `ngrams` in it, and `known_ngrams`,
            those of them that are in the vocabulary: int64 [papers] each. `ngram_papers`: int64
            [min(n-grams, features.MOST_FREQUENT_NGRAMS)], how many of the papers contain each of the most frequent
            n-grams, by id.
        """
        return self._tag(self._read(title, abstract), k)[0]

    def explain(self, title: tf.Tensor, abstract: tf.Tensor, k: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tags papers, and says which n-grams weigh most for each of the k labels.

        Args:
            title: as for `serve`.
            abstract: as for `serve`.
            k: as for `tag`.
            n: int32 scalar; cut to the number of n-grams in the vocabulary.

        Returns:
            What `tag` gives, and `explanations` (string) and `contributions` (float32), [papers, k, n]: n-grams and
            what each adds to the label's logit (`trainer.explain`), the largest absolute value first. Where a paper
            has fewer n-grams, '' and 0.
        """
        texts = self._read(title, abstract)
        answer, best = self._tag(texts, k)
        number = tf.clip_by_value(n, 0, self._ngrams.shape[0])
        found = self._explain(texts[features.NGRAM_WEIGHTS], best.indices, number)
        names = tf.gather(self._ngrams, tf.maximum(found.ids, 0))
        return {
            **answer,
            features.EXPLANATIONS: tf.where(found.ids < 0, '', names),
            features.CONTRIBUTIONS: found.contributions,
        }

    def predict_all(self, title: tf.Tensor, abstract: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives the probability of every label: `probabilities`, float32 [papers, labels]."""
        return {features.PROBABILITIES: self._probabilities(self._read(title, abstract)[features.NGRAM_WEIGHTS])}

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

    def _read(self, title: tf.Tensor, abstract: tf.Tensor) -> dict[str, Any]:
        """The transform graph's features, in which the weights of n-grams are a matrix [papers, ngrams]."""
        read = self._transform({features.TITLE: title, features.ABSTRACT: abstract})
        weights = ngram_matrix(read[features.NGRAM_IDS], read[features.NGRAM_WEIGHTS], self._ngrams.shape[0])
        return {**read, features.NGRAM_WEIGHTS: weights}

    def _best(self, texts: dict[str, Any], k: tf.Tensor) -> _Best:
        probabilities = self._probabilities(texts[features.NGRAM_WEIGHTS])
        return _Best(*tf.math.top_k(probabilities, tf.clip_by_value(k, 0, len(self._labels))))

    def _answer(self, best: _Best) -> dict[str, tf.Tensor]:
        return {
            features.LABELS: tf.gather(tf.constant(self._labels), best.indices),
            features.SCORES: best.scores,
            features.ACCEPTED: best.scores >= tf.gather(tf.constant(self._thresholds), best.indices),
        }

    def _tag(self, texts: dict[str, Any], k: tf.Tensor) -> tuple[dict[str, tf.Tensor], _Best]:
        best = self._best(texts, k)
        counted = {name: texts[name] for name in (features.WORDS, features.NGRAMS, features.KNOWN_NGRAMS)}
        most_frequent = min(self._ngrams.shape[0], features.MOST_FREQUENT_NGRAMS)
        papers = _papers_of_ngrams(texts[features.NGRAM_IDS].values, most_frequent)
        return {**self._answer(best), **counted, features.NGRAM_PAPERS: papers}, best


class _Best(NamedTuple):
    """The best labels of papers: float32 scores and int32 ids, each [papers, k]."""

    scores: tf.Tensor
    indices: tf.Tensor


def save_tagger(tagger: Tagger, folder: str) -> None:
    """Writes the SavedModel of `tagger` to `folder`."""
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(tagger, folder, tagger.signatures(), options)


def next_version(export_dir: str) -> int:
    """One more than the newest version in a folder of exported models, or 1.

    Args:
        export_dir: a folder whose children are named by their versions; it can be missing.
    """
    return 1 + max((int(name) for name in outputs.children(export_dir) if name.isdecimal()), default=0)


def _papers_of_ngrams(ids: tf.Tensor, limit: int) -> tf.Tensor:
    """Counts the papers that contain each n-gram below `limit`: int64 [limit]; a paper holds an id once."""
    frequent = tf.boolean_mask(ids, ids < limit)
    return tf.math.bincount(tf.cast(frequent, tf.int32), minlength=limit, maxlength=limit, dtype=tf.int64)


def _signature(
    function: Callable[..., dict[str, tf.Tensor]], **specs: tf.TensorSpec
) -> Callable[..., dict[str, tf.Tensor]]:
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    return tf.function(function).get_concrete_function(**named)
