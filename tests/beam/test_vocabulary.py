"""The transform graph holds the vocabularies that were counted."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pipeline.ngrams import NgramCounts
from pipeline.preprocessing import hash_words
from pipeline.vocabulary import constant_vocabularies, inverse_document_frequencies, label_table


def chunk(start, *rows):
    """A chunk of the vocabulary: (fingerprint, occurrences, papers) of the ids from `start` on."""
    return start, NgramCounts(*(np.array(column, np.int64) for column in zip(*rows, strict=True))).pack()


def test_n_grams_are_looked_up_by_fingerprint_and_weighed_by_id():
    chunks = [chunk(2, (-7, 3, 1)), chunk(0, (50, 9, 4), (-90, 5, 2))]
    found = constant_vocabularies(chunks, 10, ['cs.LG', 'cs.AI', 'stat.ML'])({})
    assert found.ngrams.fingerprints.numpy().tolist() == [-90, -7, 50]
    assert found.ngrams.ids.numpy().tolist() == [1, 2, 0]
    # log(1 + 10 / (1 + df)).
    assert found.idf.numpy().tolist() == pytest.approx([math.log(3), math.log(13 / 3), math.log(6)], rel=1e-6)
    labels = zip(found.labels.ids.numpy().tolist(), found.labels.fingerprints.numpy().tolist(), strict=True)
    assert sorted(labels) == list(enumerate(hash_words(tf.constant(['cs.LG', 'cs.AI', 'stat.ML'])).numpy().tolist()))
    for table in (found.ngrams, found.labels):
        assert (table.fingerprints.dtype, table.ids.dtype, table.starts.dtype) == (tf.int64, tf.int64, tf.int32)
    assert found.idf.dtype == tf.float32


def test_rarity_is_one_table_of_single_precision():
    found = inverse_document_frequencies(np.array([0, 1, 9]), 9)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([math.log(10), math.log(5.5), math.log(1.9)], rel=1e-6)


def test_labels_keep_the_ids_of_their_order():
    hashes, ids = label_table(['b', 'a', 'c'])
    by_id = dict(zip(ids.tolist(), hashes.tolist(), strict=True))
    assert [by_id[id_] for id_ in range(3)] == hash_words(tf.constant(['b', 'a', 'c'])).numpy().tolist()
    assert hashes.tolist() == sorted(hashes.tolist())
