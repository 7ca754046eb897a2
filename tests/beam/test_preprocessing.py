"""A text becomes n-grams, and n-grams become ids, counts and weights, as the recipe has it."""

import math

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.preprocessing import count_ids, split_ngrams, standardize, tf_idf


def ngrams(text, longest):
    [found] = split_ngrams(tf.constant([text]), longest).to_list()
    return [ngram.decode() for ngram in found]


@pytest.mark.parametrize(
    ('text', 'standard'),
    [
        ('Deep Learning: A Survey!', 'deep learning a survey'),
        ("We don't use $\\alpha$-divergence_{n}", 'we dont use alphadivergencen'),
        ('ÉCOLE Übung', 'École Übung'),
        ('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\'', ''),
        ('tabs\tand\nlines', 'tabs\tand\nlines'),
    ],
)
def test_ascii_letters_become_small_and_ascii_punctuation_goes(text, standard):
    assert standardize(tf.constant([text])).numpy()[0].decode() == standard


def test_a_text_is_split_into_words_and_pairs_of_neighbours():
    assert ngrams('The  cat,\nthe CAT', 1) == ['the', 'cat', 'the', 'cat']
    assert ngrams('The cat, the dog', 2) == ['the', 'cat', 'the', 'dog', 'the cat', 'cat the', 'the dog']
    assert ngrams('a b c', 3) == ['a', 'b', 'c', 'a b', 'b c', 'a b c']
    assert ngrams('alone', 2) == ['alone']
    assert ngrams('', 2) == ngrams(' ... ', 2) == []


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.lists(st.integers(-1, 9), max_size=12), min_size=1, max_size=5))
def test_ids_are_counted_in_each_row_and_unknown_ones_left_out(rows):
    ids = tf.RaggedTensor.from_row_lengths(
        tf.constant([id_ for row in rows for id_ in row], tf.int64), [len(row) for row in rows]
    ).to_sparse()
    found = list(zip(*(tensor.numpy().tolist() for tensor in count_ids(ids, 10)), strict=True))
    expected = [(number, id_, row.count(id_)) for number, row in enumerate(rows) for id_ in sorted(set(row) - {-1})]
    assert found == expected


def test_an_ngram_weighs_its_count_times_the_logarithm_of_its_rarity():
    weights = tf_idf(tf.constant([1.0, 2.0, 3.0]), tf.constant([0, 4, 99], tf.int64), tf.constant(100, tf.int64))
    assert weights.numpy().tolist() == pytest.approx([math.log(101), 2 * math.log(21), 3 * math.log(2)], rel=1e-6)
