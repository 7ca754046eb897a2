"""Columns become the tf.Examples that tfx_bsl would write of whole papers, in our order, and nothing is lost."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from pipeline import encoding
from pipeline.encoding import ExampleColumns, encode_examples


def columns(papers, ngram_type=np.int64):
    """The columns of papers: (id, label ids, n-gram ids, weights)."""
    ids, labels, ngrams, weights = zip(*papers, strict=True) if papers else [()] * 4

    def splits(rows):
        return np.cumsum([0, *map(len, rows)])

    return ExampleColumns(
        list(ids),
        np.array([id_ for row in labels for id_ in row], np.int64),
        splits(labels),
        np.array([id_ for row in ngrams for id_ in row], ngram_type),
        np.array([weight for row in weights for weight in row], np.float32),
        splits(ngrams),
    )


def decoded(example):
    feature = tf.train.Example.FromString(example).features.feature
    assert sorted(feature) == ['label_ids', 'ngram_ids', 'ngram_weights', 'paper_id']
    [id_] = feature['paper_id'].bytes_list.value
    return (
        id_,
        list(feature['label_ids'].int64_list.value),
        list(feature['ngram_ids'].int64_list.value),
        list(feature['ngram_weights'].float_list.value),
    )


def parsed(examples):
    """The papers as the trainer's parser reads them."""
    features = {
        'paper_id': tf.io.FixedLenFeature([], tf.string),
        'label_ids': tf.io.RaggedFeature(tf.int64),
        'ngram_ids': tf.io.RaggedFeature(tf.int64),
        'ngram_weights': tf.io.RaggedFeature(tf.float32),
    }
    rows = tf.io.parse_example(tf.constant(examples, tf.string), features)
    lists = (rows[name].to_list() for name in ('label_ids', 'ngram_ids', 'ngram_weights'))
    return list(zip(rows['paper_id'].numpy().tolist(), *lists, strict=True))


@st.composite
def papers(draw):
    ids = st.lists(st.integers(0, 1 << 31), unique=True, max_size=20).map(sorted)
    ngrams = draw(ids)
    # Zero, the smallest and all other denormals among them.
    weights = draw(st.lists(st.floats(0, width=32, allow_infinity=False), min_size=len(ngrams), max_size=len(ngrams)))
    return draw(st.binary(max_size=300)), draw(ids), ngrams, weights


MANY = [
    (b'', [], [], []),
    (b'0704.0001', [0, 3], [1, 5, 150_000], [0.0, 1.401298464324817e-45, 3.4028234663852886e38]),
    (b'\xff' * 300, [], [1 << 31], [0.25]),
    ('Schrödinger'.encode(), list(range(40)), [], []),
    (b'many', [2], list(range(0, 6000, 2)), [0.125] * 3000),
]


def test_a_known_paper_has_known_bytes():
    [example] = encode_examples(columns([(b'1', [2], [7], [1.0])]))
    # As protocol buffers encode it by hand: tag, length, content.
    assert example == (
        b'\n\x56'
        b'\n\x12\n\x09label_ids\x12\x05\x1a\x03\n\x01\x02'
        b'\n\x12\n\x09ngram_ids\x12\x05\x1a\x03\n\x01\x07'
        b'\n\x19\n\x0dngram_weights\x12\x08\x12\x06\n\x04\x00\x00\x80\x3f'
        b'\n\x11\n\x08paper_id\x12\x05\n\x03\n\x011'
    )


def test_a_paper_without_labels_and_ngrams_has_empty_lists_of_their_types():
    [example] = encode_examples(columns([(b'x', [], [], [])]))
    assert example == (
        b'\n\x4a'
        b'\n\x0f\n\x09label_ids\x12\x02\x1a\x00'
        b'\n\x0f\n\x09ngram_ids\x12\x02\x1a\x00'
        b'\n\x13\n\x0dngram_weights\x12\x02\x12\x00'
        b'\n\x11\n\x08paper_id\x12\x05\n\x03\n\x01x'
    )


@pytest.mark.parametrize('ngram_type', [np.int64, np.uint32])
def test_an_example_holds_exactly_the_papers_content(ngram_type):
    examples = list(encode_examples(columns(MANY, ngram_type)))
    assert [decoded(example) for example in examples] == MANY
    assert parsed(examples) == MANY


@given(rows=st.lists(papers(), max_size=5))
def test_any_paper_comes_back_from_both_parsers(rows):
    examples = list(encode_examples(columns(rows)))
    assert [decoded(example) for example in examples] == rows
    assert parsed(examples) == rows


@given(rows=st.lists(papers(), min_size=1, max_size=5))
def test_papers_hold_what_tfx_bsl_makes_of_all_features_at_once(rows):
    ids, labels, ngrams, weights = zip(*rows, strict=True)
    batch = {
        'ngram_weights': pa.array(weights, pa.large_list(pa.float32())),
        'paper_id': pa.array([[id_] for id_ in ids], pa.large_list(pa.large_binary())),
        'ngram_ids': pa.array(ngrams, pa.large_list(pa.int64())),
        'label_ids': pa.array(labels, pa.large_list(pa.int64())),
    }
    expected = RecordBatchToExamplesEncoder().encode(pa.RecordBatch.from_pydict(batch))
    found = list(encode_examples(columns(rows)))
    # The same but for the order of features, which is theirs to choose.
    assert list(map(tf.train.Example.FromString, found)) == list(map(tf.train.Example.FromString, expected))
    assert list(map(len, found)) == list(map(len, expected))


@pytest.mark.parametrize('at_once', [1, 2, 3, 5])
def test_the_bytes_of_a_paper_do_not_depend_on_the_papers_beside_it(monkeypatch, at_once):
    alone = [example for paper in MANY for example in encode_examples(columns([paper]))]
    monkeypatch.setattr(encoding, '_SLICE_PAPERS', at_once)
    assert list(encode_examples(columns(MANY))) == alone


def test_no_papers_are_no_examples():
    assert list(encode_examples(columns([]))) == []
