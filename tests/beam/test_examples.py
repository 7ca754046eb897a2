"""Transformed papers become tf.Examples with exactly their content, and their n-grams are counted."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to

from pipeline.examples import BATCH_PAPERS, BatchPapers, CountNgrams, EncodeExamples, encode_examples
from pipeline.hashing import keyed_hash
from tests.helpers import paper

ROWS = [
    ('0704.0001', [1, 5, 9], [2, 1, 1], [0.5, 0.25, 1.0], [0, 3]),
    ('Schrödinger', [], [], [], [2]),
    ('x' * 200, [5], [300], [7.5], []),
    ('many', list(range(0, 2000, 2)), [1] * 1000, [0.125] * 1000, list(range(40))),
]


def transformed(rows):
    """The record batch that the transform graph gives for these papers."""
    ids, ngrams, counts, weights, labels = zip(*rows, strict=True)
    integers, floats = pa.large_list(pa.int64()), pa.large_list(pa.float32())
    columns = {
        'ngram_counts': pa.array(counts, integers),
        'ngram_weights': pa.array(weights, floats),
        'paper_id': pa.array([[id_.encode()] for id_ in ids], pa.large_list(pa.large_binary())),
        'ngram_ids': pa.array(ngrams, integers),
        'label_ids': pa.array(labels, integers),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def decoded(example):
    feature = tf.train.Example.FromString(example).features.feature
    assert sorted(feature) == ['label_ids', 'ngram_ids', 'ngram_weights', 'paper_id']
    [id_] = feature['paper_id'].bytes_list.value
    return (
        id_.decode(),
        list(feature['ngram_ids'].int64_list.value),
        list(feature['ngram_weights'].float_list.value),
        list(feature['label_ids'].int64_list.value),
    )


def test_an_example_holds_exactly_the_papers_content():
    found = [decoded(example) for example in encode_examples(transformed(ROWS))]
    assert found == [(id_, ngrams, weights, labels) for id_, ngrams, _, weights, labels in ROWS]


def test_features_stand_in_alphabetical_order():
    for example in encode_examples(transformed(ROWS)):
        places = [example.index(name) for name in (b'label_ids', b'ngram_ids', b'ngram_weights', b'paper_id')]
        assert places == sorted(places)


def test_the_bytes_of_an_example_do_not_depend_on_its_batch():
    together = encode_examples(transformed(ROWS))
    assert [encode_examples(transformed([row]))[0] for row in ROWS] == together


def test_an_example_of_a_known_paper_has_known_bytes():
    [example] = encode_examples(transformed([('1', [7], [1], [1.0], [2])]))
    # As protocol buffers encode it by hand: tag, length, content.
    assert example == (
        b'\n\x56'
        b'\n\x12\n\x09label_ids\x12\x05\x1a\x03\n\x01\x02'
        b'\n\x12\n\x09ngram_ids\x12\x05\x1a\x03\n\x01\x07'
        b'\n\x19\n\x0dngram_weights\x12\x08\x12\x06\n\x04\x00\x00\x80\x3f'
        b'\n\x11\n\x08paper_id\x12\x05\n\x03\n\x011'
    )


def test_examples_are_keyed_by_the_hash_of_the_papers_id(run):
    batch = transformed(ROWS)
    expected = [
        (hash_, hash_.to_bytes(8, 'big') + row[0].encode(), example)
        for row, example in zip(ROWS, encode_examples(batch), strict=True)
        for hash_ in [keyed_hash(row[0], 'shard')]
    ]
    run(lambda root: assert_that(root | beam.Create([(batch, None)]) | EncodeExamples(), equal_to(expected)))


def test_papers_are_batched_to_what_a_small_worker_holds(run):
    papers = [paper(str(number)) for number in range(2 * BATCH_PAPERS + 1)]

    def all_once(batches):
        sizes = [batch.num_rows for batch in batches]
        assert sum(sizes) == len(papers)
        assert max(sizes) <= BATCH_PAPERS
        found = sorted(int(id_) for batch in batches for [id_] in batch.column(3).to_pylist())
        assert found == list(range(len(papers)))

    run(lambda root: assert_that(root | beam.Create(papers) | BatchPapers(), all_once))


def ngrams(*rows):
    """A transformed batch of papers with these (ids, counts)."""
    return transformed(
        [(str(number), ids, counts, [1.0] * len(ids), [0]) for number, (ids, counts) in enumerate(rows)]
    ), None


@pytest.mark.parametrize('batches', [1, 2, 4])
def test_occurrences_and_papers_of_each_ngram_are_counted(run, batches):
    rows = [([0, 2], [3, 1]), ([2], [5]), ([], []), ([0, 1, 2], [1, 1, 1])]
    size = len(rows) // batches
    elements = [ngrams(*rows[start : start + size]) for start in range(0, len(rows), size)]

    def counted(found):
        [statistics] = found
        assert statistics.occurrences.tolist() == [4, 1, 7, 0]
        assert statistics.papers.tolist() == [2, 1, 3, 0]
        assert {array.dtype for array in statistics} == {np.dtype(np.int64)}

    run(lambda root: assert_that(root | beam.Create(elements) | beam.CombineGlobally(CountNgrams(4)), counted))


def test_accumulators_merge_in_any_order_and_no_batch_counts_nothing():
    combine = CountNgrams(3)
    parts = [
        combine.add_input(combine.create_accumulator(), ngrams(([number % 3], [number + 1]))) for number in range(6)
    ]
    for order in (parts, parts[::-1]):
        merged = combine.extract_output(combine.merge_accumulators(order))
        assert (merged.occurrences.tolist(), merged.papers.tolist()) == ([5, 7, 9], [2, 2, 2])
    empty = combine.extract_output(combine.create_accumulator())
    assert (empty.occurrences.tolist(), empty.papers.tolist()) == ([0, 0, 0], [0, 0, 0])
