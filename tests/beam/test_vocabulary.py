"""The transform graph holds the vocabularies that were counted, and nothing of the data set that it is traced on."""

import math

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf

from pipeline.ngrams import NgramCounts
from pipeline.preprocessing import hash_words
from pipeline.vocabulary import VocabularyAnalyzer, inverse_document_frequencies, label_table
from tests import blocks


def chunk(start, *rows):
    """A chunk of the vocabulary: (fingerprint, occurrences, papers) of the ids from `start` on."""
    return start, NgramCounts(*(np.array(column, np.int64) for column in zip(*rows, strict=True))).pack()


def test_the_arrays_are_looked_up_by_fingerprint_and_weighed_by_id(run, tmp_path):
    chunks = [chunk(2, (-7, 3, 1)), chunk(0, (50, 9, 4), (-90, 5, 2))]

    def build(root):
        vocabulary = root | 'Vocabulary' >> beam.Create(chunks)
        documents = root | 'Documents' >> beam.Create([10])
        labels = root | 'Labels' >> beam.Create([['cs.LG', 'cs.AI', 'stat.ML']])
        nothing = root | 'DataSet' >> beam.Create([])
        arrays = nothing | VocabularyAnalyzer(vocabulary, documents, labels)
        for number, array in enumerate(arrays):
            blocks.keep(array, tmp_path / str(number))

    run(build)
    arrays = [blocks.kept(tmp_path / str(number)) for number in range(5)]
    [fingerprints], [ids], [idf], [label_fingerprints], [label_ids] = arrays
    assert fingerprints.tolist() == [-90, -7, 50]
    assert ids.tolist() == [1, 2, 0]
    # log(1 + 10 / (1 + df)).
    assert idf.tolist() == pytest.approx([math.log(3), math.log(13 / 3), math.log(6)], rel=1e-6)
    assert sorted(zip(label_ids.tolist(), label_fingerprints.tolist(), strict=True)) == list(
        enumerate(hash_words(tf.constant(['cs.LG', 'cs.AI', 'stat.ML'])).numpy().tolist())
    )
    assert label_fingerprints.tolist() == sorted(label_fingerprints.tolist())
    dtypes = [array.dtype for [array] in arrays]
    assert dtypes == [np.int64, np.int64, np.float32, np.int64, np.int64]


def test_rarity_is_one_table_of_single_precision():
    found = inverse_document_frequencies(np.array([0, 1, 9]), 9)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([math.log(10), math.log(5.5), math.log(1.9)], rel=1e-6)


def test_labels_keep_the_ids_of_their_order():
    hashes, ids = label_table(['b', 'a', 'c'])
    by_id = dict(zip(ids.tolist(), hashes.tolist(), strict=True))
    assert [by_id[id_] for id_ in range(3)] == hash_words(tf.constant(['b', 'a', 'c'])).numpy().tolist()
    assert hashes.tolist() == sorted(hashes.tolist())
