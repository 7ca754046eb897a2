"""The tf.Transform analyzer that puts the vocabularies into the transform graph.

What stock analyzers would compute from the graph's own tensors, `count_ngrams.py` has counted from the paper blocks:
the same n-grams, since a block is made by the functions that the graph consists of, but each paper is split into words
only once. So the analyzer has nothing to do with the data set that tf.Transform analyzes, which is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from pipeline import preprocessing
from pipeline.count_ngrams import Chunk, vocabulary_of
from schemas import features

_OUTPUTS = {
    'ngram_fingerprints': tf.int64,
    'ngram_ids': tf.int64,
    'idf': tf.float32,
    'label_fingerprints': tf.int64,
    'label_ids': tf.int64,
}


def analyzed(analyzer: VocabularyAnalyzer) -> Callable[[preprocessing.Tensors], preprocessing.Vocabularies]:
    """Returns what `preprocessing_fn` asks for the vocabularies, in a graph that tf.Transform traces."""

    def vocabularies(inputs: preprocessing.Tensors) -> preprocessing.Vocabularies:
        tensors = tft.experimental.ptransform_analyzer(
            inputs=[inputs[features.PAPER_ID]],
            ptransform=analyzer,
            output_dtypes=list(_OUTPUTS.values()),
            output_shapes=[[None]] * len(_OUTPUTS),
            name='vocabularies',
        )
        ngram_fingerprints, ngram_ids, idf, label_fingerprints, label_ids = (
            tf.reshape(tensor, [-1]) for tensor in tensors
        )
        return preprocessing.Vocabularies(
            preprocessing.LookupTable(ngram_fingerprints, ngram_ids),
            idf,
            preprocessing.LookupTable(label_fingerprints, label_ids),
        )

    return vocabularies


class VocabularyAnalyzer(beam.PTransform[Any, Any]):
    """Gives tf.Transform the vocabularies as arrays.

    Args:
        ngrams: chunks of the n-grams' vocabulary.
        documents: the number of training papers.
        labels: one list of the labels, in the order of their ids.
    """

    def __init__(
        self,
        ngrams: beam.PCollection[Chunk],
        documents: beam.PCollection[int],
        labels: beam.PCollection[list[str]],
    ) -> None:
        super().__init__()
        self._ngrams = ngrams
        self._documents = documents
        self._labels = labels

    def expand(self, dataset: beam.PCollection[Any]) -> tuple[beam.PCollection[np.ndarray], ...]:
        """Returns one array a PCollection, in the order of _OUTPUTS."""
        arrays = (
            dataset.pipeline
            | 'Once' >> beam.Create([None])
            | 'ToArrays'
            >> beam.FlatMap(
                _arrays,
                beam.pvalue.AsList(self._ngrams),
                beam.pvalue.AsSingleton(self._documents),
                beam.pvalue.AsSingleton(self._labels),
            ).with_outputs(*_OUTPUTS)
        )
        return tuple(arrays[name] for name in _OUTPUTS)


def inverse_document_frequencies(papers: np.ndarray, documents: int) -> np.ndarray:
    """Returns float32 [n] of the document frequencies int64 [n]: the one table of which all weights are made."""
    return np.asarray(preprocessing.inverse_document_frequencies(tf.constant(papers), tf.constant(documents, tf.int64)))


def label_table(labels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the labels' fingerprints, int64 [n] ascending, and their ids in that order."""
    hashes = np.asarray(preprocessing.hash_words(tf.constant(labels)))
    order = np.argsort(hashes)
    return hashes[order], order


def _arrays(_: None, ngrams: list[Chunk], documents: int, labels: list[str]) -> Iterator[Any]:
    vocabulary = vocabulary_of(ngrams)
    idf = inverse_document_frequencies(vocabulary.counts.papers, documents)
    arrays = (vocabulary.fingerprints, vocabulary.ids, idf, *label_table(labels))
    for name, array in zip(_OUTPUTS, arrays, strict=True):
        yield beam.pvalue.TaggedOutput(name, array)
