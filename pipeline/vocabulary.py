"""The vocabularies as the transform graph holds them: constants, made of what `prepare` has counted.

What tf.Transform's analyzers would compute from the graph's own tensors, `count_ngrams.py` has counted from the paper
blocks: the same n-grams, since a block is made by the functions that the graph consists of, but each paper is split
into words only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from pipeline import preprocessing
from pipeline.count_ngrams import Chunk, vocabulary_of


def constant_vocabularies(
    ngrams: Iterable[Chunk], documents: int, labels: Sequence[str]
) -> Callable[[preprocessing.Tensors], preprocessing.Vocabularies]:
    """Returns what `preprocessing_fn` asks for the vocabularies, in the graph that is traced.

    Args:
        ngrams: chunks of the n-grams' vocabulary.
        documents: the number of training papers.
        labels: in the order of their ids.
    """
    vocabulary = vocabulary_of(ngrams)
    idf = inverse_document_frequencies(vocabulary.counts.papers, documents)
    known_labels = label_table(labels)

    def vocabularies(inputs: preprocessing.Tensors) -> preprocessing.Vocabularies:
        del inputs
        return preprocessing.Vocabularies(
            preprocessing.lookup_table(vocabulary.fingerprints, vocabulary.ids),
            tf.constant(idf),
            preprocessing.lookup_table(*known_labels),
        )

    return vocabularies


def inverse_document_frequencies(papers: np.ndarray, documents: int) -> np.ndarray:
    """Returns float32 [n] of the document frequencies int64 [n]: the one table of which all weights are made."""
    return np.asarray(preprocessing.inverse_document_frequencies(tf.constant(papers), tf.constant(documents, tf.int64)))


def label_table(labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the labels' fingerprints, int64 [n] ascending, and their ids in that order."""
    hashes = np.asarray(preprocessing.hash_words(tf.constant(labels)))
    order = np.argsort(hashes)
    return hashes[order], order
