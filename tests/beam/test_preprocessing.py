"""A text becomes n-grams, and n-grams become ids, counts and weights, as the recipe has it."""

import collections
import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import InputConfig, NgramConfig
from pipeline.ngrams import Vocabulary, count_rows, most_frequent, row_ngrams
from pipeline.paper_blocks import PaperBlock
from pipeline.preprocessing import (
    Vocabularies,
    count_known,
    fingerprint_ngrams,
    hash_words,
    inverse_document_frequencies,
    lookup_table,
    number_of_ngrams,
    preprocessing_fn,
    split_words,
    standardize,
    text_of,
    weigh,
)
from pipeline.spell_ngrams import agreed, spell
from schemas import features
from tests import blocks
from tests.conftest import SAMPLES
from tests.helpers import paper

FINGERPRINTS = st.integers(-(2**63), 2**63 - 1)


def int64(*values):
    return tf.constant(values, tf.int64)


def fingerprints_of(text, ngram_max):
    """How often each fingerprint comes in a text."""
    rows, found = fingerprint_ngrams(split_words(tf.constant([text])), ngram_max)
    assert rows.numpy().tolist() == [0] * len(found)
    return collections.Counter(found.numpy().tolist())


def fingerprint(*words):
    """The fingerprint of an n-gram: that of a text of these words, without those of its shorter ones."""
    whole = fingerprints_of(' '.join(words), len(words))
    [found] = whole - fingerprints_of(' '.join(words), len(words) - 1) if len(words) > 1 else whole
    return found


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


def test_a_text_is_split_into_words_at_any_ascii_white_space():
    found = split_words(tf.constant(['The  cat,\nthe CAT', '', ' ... ', 'tab\tand\rmore\x0b\x0c.']))
    assert found.to_list() == [[b'the', b'cat', b'the', b'cat'], [], [], [b'tab', b'and', b'more']]


def test_the_text_is_the_title_the_abstract_or_both_with_a_blank_between():
    title, abstract = tf.constant(['A', 'C']), tf.constant(['B', ''])
    texts = {
        text: text_of(title, abstract, text).numpy().tolist() for text in ('title', 'abstract', 'title_and_abstract')
    }
    assert texts == {'title': [b'A', b'C'], 'abstract': [b'B', b''], 'title_and_abstract': [b'A B', b'C ']}


def test_a_text_has_the_n_grams_of_its_words_and_their_neighbours():
    the, cat = fingerprint('the'), fingerprint('cat')
    assert fingerprints_of('The  cat,\nthe CAT', 1) == {the: 2, cat: 2}
    pairs = {fingerprint('the', 'cat'): 2, fingerprint('cat', 'the'): 1}
    assert fingerprints_of('The cat, the cat', 2) == {the: 2, cat: 2} | pairs
    triples = {fingerprint('the', 'cat', 'the'): 1, fingerprint('cat', 'the', 'cat'): 1}
    assert fingerprints_of('The cat, the cat', 3) == {the: 2, cat: 2} | pairs | triples
    assert fingerprints_of('the', 3) == {the: 1}
    assert fingerprints_of(' ... ', 3) == fingerprints_of('', 2) == {}


@pytest.mark.parametrize('ngram_max', [1, 2, 3])
def test_no_n_gram_reaches_from_one_text_into_the_next(ngram_max):
    texts = ['a b', '', 'c', 'a', 'b c d', '']
    rows, found = fingerprint_ngrams(split_words(tf.constant(texts)), ngram_max)
    by_row = collections.defaultdict(collections.Counter)
    for row, fingerprint_ in zip(rows.numpy().tolist(), found.numpy().tolist(), strict=True):
        by_row[row][fingerprint_] += 1
    assert by_row == {row: fingerprints_of(text, ngram_max) for row, text in enumerate(texts) if text}


@pytest.mark.parametrize('ngram_max', [1, 2, 3, 4])
def test_how_many_n_grams_a_text_has_follows_from_its_words(ngram_max):
    texts = ['a b', '', 'c', 'a a a', 'b c d e f', '']
    words = split_words(tf.constant(texts))
    found = number_of_ngrams(words.row_lengths(), ngram_max)
    assert found.dtype == tf.int64
    assert found.numpy().tolist() == [fingerprints_of(text, ngram_max).total() for text in texts]
    assert number_of_ngrams(int64(0, 1, 2, 7), 2).numpy().tolist() == [0, 1, 3, 13]


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.lists(st.integers(-1, 9), max_size=12), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_what_is_known_is_counted_in_each_row_and_the_rest_left_out(rows, seed):
    # Fingerprint 10 * n + 5 has an id, for n of 0 to 9; those that end in 0 stand between, before and behind them.
    ids = np.random.default_rng(seed).permutation(10)
    table = lookup_table(np.arange(5, 105, 10), ids)
    fingerprints = [10 * value + 5 if value >= 0 else 10 * place for row in rows for place, value in enumerate(row)]
    numbers = [number for number, row in enumerate(rows) for _ in row]
    found = zip(
        *(tensor.numpy().tolist() for tensor in count_known(int64(*numbers), int64(*fingerprints), table)), strict=True
    )
    expected = [
        sorted((number, ids[value], row.count(value)) for value in set(row) - {-1}) for number, row in enumerate(rows)
    ]
    assert list(found) == [triple for row in expected for triple in row]


@settings(max_examples=50, deadline=None)
@given(
    known=st.sets(FINGERPRINTS | st.integers(-3, 40), min_size=1, max_size=60),
    others=st.lists(FINGERPRINTS | st.integers(-5, 50), max_size=30),
)
def test_each_fingerprint_is_found_wherever_it_stands_and_no_other(known, others):
    ids = {one: id_ for id_, one in enumerate(sorted(known, reverse=True))}
    table = lookup_table(np.array(sorted(known)), np.arange(len(known))[::-1])
    asked = [*others, *sorted(known)]
    tensors = count_known(int64(*range(len(asked))), int64(*asked), table)
    found = zip(*(tensor.numpy().tolist() for tensor in tensors), strict=True)
    assert list(found) == [(row, ids[one], 1) for row, one in enumerate(asked) if one in ids]


def test_an_ngram_weighs_the_logarithm_of_its_rarity():
    found = inverse_document_frequencies(int64(0, 4, 99), tf.constant(100, tf.int64))
    assert found.dtype == tf.float32
    # log(1 + 100 / (1 + df)).
    assert found.numpy().tolist() == pytest.approx([math.log(101), math.log(21), math.log(2)], rel=1e-6)


@pytest.mark.parametrize(
    ('weighting', 'sublinear_tf', 'weights'),
    [
        ('count', False, [1, 4, 2, 3]),
        ('tf_idf', False, [0.5, 8, 4, 1.5]),
        # 1 + log(4) is 2.3863, 1 + log(2) is 1.6931, 1 + log(3) is 2.0986.
        ('tf_idf', True, [0.5, 4.772588722, 3.386294361, 1.049306144]),
        ('tf_idf_l2', False, [0.062378286, 0.998052578, 0.936329178, 0.351123442]),
        ('tf_idf_l2', True, [0.104194702, 0.994556918, 0.955192829, 0.295984223]),
    ],
)
def test_weights_are_counts_times_rarity_and_on_demand_logarithmic_and_of_length_one(weighting, sublinear_tf, weights):
    config = NgramConfig(weighting=weighting, sublinear_tf=sublinear_tf)
    idf = tf.constant([0.5, 2.0], tf.float32)
    found = weigh(int64(0, 0, 2, 2), int64(0, 1, 1, 0), int64(1, 4, 2, 3), idf, config)
    assert found.dtype == tf.float32
    assert found.numpy().tolist() == pytest.approx(weights, rel=1e-6)


def test_the_bits_of_a_weight_do_not_depend_on_how_many_are_weighed_at_once():
    # Vectorised logarithms go by four or eight; the few that are left over are computed in another way.
    config = NgramConfig(weighting='tf_idf', sublinear_tf=True)
    counts, idf = np.arange(1, 100_003), tf.constant([1.2345678], tf.float32)

    def weights(counts):
        zeros = int64(*np.zeros(len(counts), int))
        return weigh(zeros, zeros, tf.constant(counts), idf, config).numpy().tolist()

    together = weights(counts)
    assert [weight for start in range(0, 3000, 3) for weight in weights(counts[start : start + 3])] == together[:3000]
    assert weights(counts[::-1])[::-1] == together


@pytest.mark.parametrize('norm', [None, 'l2'])
def test_logarithmic_counts_are_those_of_scikit_learn(norm):
    from sklearn.feature_extraction.text import TfidfTransformer

    counts = np.array([[1, 4, 0, 9], [0, 0, 3, 0], [2, 1, 70_000, 5]])
    transformer = TfidfTransformer(norm=norm, sublinear_tf=True).fit(counts)
    rows, ids = np.nonzero(counts)
    config = NgramConfig(weighting='tf_idf_l2' if norm else 'tf_idf', sublinear_tf=True)
    idf = tf.constant(transformer.idf_, tf.float32)
    found = weigh(int64(*rows), int64(*ids), int64(*counts[rows, ids]), idf, config)
    expected = transformer.transform(counts).toarray()[rows, ids]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_a_paper_becomes_ascending_ids_weights_and_labels_and_one_without_known_n_grams_an_empty_row():
    words = {'graph': 2, 'cat': 0, 'dog': 1}
    table = sorted((fingerprint(word), id_) for word, id_ in words.items())
    labels = sorted(zip(hash_words(tf.constant(['cs.LG', 'cs.AI', 'stat.ML'])).numpy().tolist(), range(3), strict=True))
    known = Vocabularies(
        lookup_table(*map(np.array, zip(*table, strict=True))),
        tf.constant([1.0, 2.0, 4.0]),
        lookup_table(*map(np.array, zip(*labels, strict=True))),
    )
    papers = [
        paper('1', 'stat.ML cs.AI', title='Graph!', abstract='a dog, a CAT, a graph'),
        paper('2', 'math.CO', title='Nothing', abstract='is known'),
        paper('3', 'cs.AI cs.LG math.CO', title='...', abstract='dog dog'),
    ]
    function = preprocessing_fn(NgramConfig(weighting='tf_idf', ngram_max=2), lambda _: known)
    found = function(blocks.raw_tensors(papers))
    assert blocks.rows_of(found) == {
        '1': ([0, 1, 2], [1.0, 2.0, 8.0], [1, 2]),
        '2': ([], [], []),
        '3': ([1], [4.0], [0, 1]),
    }
    # Both graphs of the first paper count.
    expected = {'words': [7, 3, 2], 'ngrams': [13, 5, 3], 'known_ngrams': [4, 0, 2]}
    assert {name: found[name].numpy().tolist() for name in expected} == expected
    assert {found[name].dtype for name in expected} == {tf.int64}


@pytest.fixture(scope='module')
def sample():
    """Four hundred real papers and odd ones, their block, all of their n-grams as a vocabulary, and the n-grams."""
    found = blocks.read_papers(InputConfig(patterns=(str(SAMPLES / 'train.csv.zst'),)))[:400]
    papers = [
        *found,
        paper('empty', title='!', abstract='!!!'),
        paper('one word', title='!', abstract='Alone.'),
        paper('long', title='!', abstract='again and ' * 50_000),
        *(paper(f'same {number}', title='!', abstract='The same, the SAME.') for number in range(3)),
    ]
    block = PaperBlock.of(papers, 0, NgramConfig(text='abstract'))
    vocabulary = Vocabulary(most_frequent(count_rows(block.ngrams, np.ones(len(papers), bool)), 1_000_000))
    spelled = agreed([spell(block, vocabulary)])
    return papers, block, vocabulary, [spelled[id_].decode() for id_ in range(len(spelled))]


@pytest.fixture(scope='module')
def recipe(sample):
    """The recipe's layer, adapted to the same papers: all of their n-grams are in its vocabulary."""
    layer = keras.layers.TextVectorization(ngrams=2, output_mode='tf_idf')
    layer.adapt(tf.data.Dataset.from_tensor_slices([paper.abstract for paper in sample[0]]).batch(100))
    return layer


@pytest.mark.parametrize('size', [3000, 1_000_000])
@pytest.mark.parametrize('weighting', ['tf_idf', 'count'])
def test_the_n_grams_and_weights_are_those_of_keras_text_vectorization(sample, recipe, weighting, size):
    """But for its first column, which stands for all that is not in the vocabulary."""
    papers, _, everything, ngrams = sample
    assert sorted(recipe.get_vocabulary()[1:]) == sorted(ngrams)
    id_of = {ngram: id_ for id_, ngram in enumerate(recipe.get_vocabulary())}
    layer = recipe
    if weighting == 'count':
        layer = keras.layers.TextVectorization(ngrams=2, output_mode='count', vocabulary=recipe.get_vocabulary()[1:])
    vocabulary = Vocabulary(most_frequent(everything.counts, size))
    columns = [id_of[ngram] for ngram in ngrams[:size]]
    known = blocks.constants(vocabulary, len(papers))
    function = preprocessing_fn(NgramConfig(text='abstract', weighting=weighting), lambda _: known)
    for some in blocks.cut(papers[-60:], 20):
        expected = np.asarray(layer([paper.abstract for paper in some]))[:, columns]
        rows = blocks.rows_of(function(blocks.raw_tensors(some)))
        for paper_, row in zip(some, expected, strict=True):
            ids, weights, _ = rows[paper_.id]
            assert ids == np.flatnonzero(row).tolist()
            np.testing.assert_allclose(weights, row[ids], rtol=1e-6)


@pytest.mark.parametrize('ngram_max', [1, 2, 3])
def test_the_graph_finds_in_texts_what_is_looked_up_in_their_block_to_the_bit(sample, ngram_max):
    papers = sample[0]
    config = NgramConfig(text='abstract', ngram_max=ngram_max, sublinear_tf=True)
    block = PaperBlock.of(papers, 0, config)
    vocabulary = Vocabulary(most_frequent(count_rows(block.ngrams, np.ones(len(papers), bool)), 5000))
    known = blocks.constants(vocabulary, len(papers))
    outputs = preprocessing_fn(config, lambda _: known)(blocks.raw_tensors(papers))
    found = blocks.rows_of(outputs)
    splits, ids, counts = row_ngrams(block.ngrams, vocabulary, np.arange(len(papers)))
    rows = np.repeat(np.arange(len(papers)), np.diff(splits))
    weights = weigh(int64(*rows), int64(*ids), int64(*counts), known.idf, config).numpy()
    assert {id_: row[:2] for id_, row in found.items()} == {
        paper.id: (ids[begin:end].tolist(), weights[begin:end].tolist())
        for paper, begin, end in zip(papers, splits[:-1], splits[1:], strict=True)
    }
    totals = [counts[begin:end].sum() for begin, end in itertools.pairwise(splits)]
    assert outputs[features.KNOWN_NGRAMS].numpy().tolist() == totals
    everything = [fingerprints_of(paper.abstract, ngram_max).total() for paper in papers]
    assert outputs[features.NGRAMS].numpy().tolist() == everything
