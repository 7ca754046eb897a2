"""N-grams are counted exactly, in whatever blocks, groups and order their papers come."""

import collections
import random

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ngrams import (
    NO_WORD,
    NgramCounts,
    Vocabulary,
    block_ngrams,
    count_rows,
    extend_fingerprint,
    merge_counts,
    most_frequent,
    partition_counts,
    row_ngrams,
)
from pipeline.preprocessing import fingerprint_ngrams, hash_words
from tests.ngram_counts import counts_of, rows_of

WORDS = [b'the', b'cat', b'dog', b'graph', 'Schrödinger'.encode(), '学习'.encode()]
PAPERS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9), max_size=6)
LENGTHS = st.integers(1, 3)


def block_of(papers, ngram_max):
    """The block of papers that are lists of words, and its words."""
    words = list(dict.fromkeys(word for paper in papers for word in paper))
    tokens = np.array([words.index(word) for paper in papers for word in paper], np.int64)
    splits = np.cumsum([0, *(len(paper) for paper in papers)])
    hashes = hash_words(tf.constant(words, tf.string)).numpy()
    return block_ngrams(tokens, splits, hashes, ngram_max), words


def ngrams_of(paper, ngram_max):
    """N-gram -> occurrences in a paper, slowly."""
    return collections.Counter(
        tuple(paper[start : start + length])
        for length in range(1, ngram_max + 1)
        for start in range(len(paper) - length + 1)
    )


def fingerprint(ngram):
    """The fingerprint of a tuple of words, in Python's own integers."""
    found = 0
    for hash_ in hash_words(tf.constant(ngram)).numpy().tolist():
        found = (found + hash_) * 0x9E3779B97F4A7C15 % 2**64
    return found - 2**64 if found >= 2**63 else found


def spelled(block, words):
    """N-gram -> {paper: occurrences} of a block."""
    found = {}
    for number, codes in enumerate(block.words.tolist()):
        ngram = tuple(words[code] for code in codes if code != NO_WORD)
        assert ngram not in found
        pairs = slice(block.starts[number], block.starts[number + 1])
        found[ngram] = dict(zip(block.rows[pairs].tolist(), block.counts[pairs].tolist(), strict=True))
    return found


@given(papers=PAPERS, ngram_max=LENGTHS)
def test_a_block_has_every_n_gram_of_each_paper_with_its_words_and_how_often_it_occurs(papers, ngram_max):
    block, words = block_of(papers, ngram_max)
    expected = collections.defaultdict(dict)
    for row, paper in enumerate(papers):
        for ngram, occurrences in ngrams_of(paper, ngram_max).items():
            expected[ngram][row] = occurrences
    assert spelled(block, words) == expected
    assert all(list(rows) == sorted(rows) for rows in spelled(block, words).values())
    assert block.words.shape == (len(expected), ngram_max)
    assert block.fingerprints.tolist() == sorted(map(fingerprint, expected))


def test_a_block_of_two_papers_is_these_arrays():
    block, words = block_of([[b'a', b'b', b'a', b'b'], [b'b']], 2)
    assert words == [b'a', b'b']
    found = {
        tuple(codes): fingerprint for codes, fingerprint in zip(block.words.tolist(), block.fingerprints, strict=True)
    }
    assert found == {
        (0, NO_WORD): fingerprint((b'a',)),
        (1, NO_WORD): fingerprint((b'b',)),
        (0, 1): fingerprint((b'a', b'b')),
        (1, 0): fingerprint((b'b', b'a')),
    }
    order = [block.words.tolist().index(codes) for codes in ([0, NO_WORD], [1, NO_WORD], [0, 1], [1, 0])]
    pairs = [slice(block.starts[at], block.starts[at + 1]) for at in order]
    assert [block.rows[at].tolist() for at in pairs] == [[0], [0, 1], [0], [0]]
    assert [block.counts[at].tolist() for at in pairs] == [[2], [2, 1], [2], [1]]
    assert [array.dtype for array in block] == [np.int64, np.uint32, np.uint32, np.uint8, np.uint8]


def test_the_fingerprint_of_an_n_gram_is_this_number_on_any_machine():
    # FarmHash64 modulo 2**63 - 1, and a polynomial of it modulo 2**64.
    hashes = [2307607732725169660, 953407491265271501]
    assert hash_words(tf.constant([b'deep', b'learning'])).numpy().tolist() == hashes
    zero, deep, learning = (np.array([value], np.int64) for value in (0, *hashes))
    assert extend_fingerprint(zero, deep).tolist() == [5073474594387928492]
    assert extend_fingerprint(extend_fingerprint(zero, deep), learning).tolist() == [1702707466284274157]
    assert extend_fingerprint(extend_fingerprint(zero, learning), deep).tolist() != [1702707466284274157]


@given(papers=PAPERS.filter(bool), ngram_max=LENGTHS)
def test_the_graph_and_the_blocks_fingerprint_n_grams_alike_to_the_bit(papers, ngram_max):
    ragged = tf.RaggedTensor.from_row_lengths(
        tf.constant([word for paper in papers for word in paper], tf.string), [len(paper) for paper in papers]
    )
    rows, fingerprints = (tensor.numpy().tolist() for tensor in fingerprint_ngrams(ragged, ngram_max))
    block, _ = block_of(papers, ngram_max)
    lengths = np.diff(block.starts.astype(np.int64))
    pairs = zip(block.rows.tolist(), np.repeat(block.fingerprints, lengths).tolist(), strict=True)
    expected = dict(zip(pairs, block.counts.tolist(), strict=True))
    assert collections.Counter(zip(rows, fingerprints, strict=True)) == expected


def test_papers_that_are_empty_have_no_n_grams_wherever_they_stand():
    for papers in ([], [[]], [[], [], []]):
        block, words = block_of(papers, 3)
        assert spelled(block, words) == {}
        assert block.starts.tolist() == [0]
        assert rows_of(count_rows(block, np.ones(len(papers), bool))) == []
    block, words = block_of([[], [b'a'], [], [b'a', b'b'], []], 3)
    assert spelled(block, words) == {(b'a',): {1: 1, 3: 1}, (b'b',): {3: 1}, (b'a', b'b'): {3: 1}}


def test_papers_of_one_word_have_that_word_alone():
    block, words = block_of([[b'one'], [b'two'], [b'one']], 3)
    assert spelled(block, words) == {(b'one',): {0: 1, 2: 1}, (b'two',): {1: 1}}


def test_identical_papers_count_as_often_as_they_come():
    block, words = block_of([[b'a', b'b', b'a']] * 300, 2)
    everywhere = range(300)
    assert spelled(block, words) == {
        (b'a',): dict.fromkeys(everywhere, 2),
        (b'b',): dict.fromkeys(everywhere, 1),
        (b'a', b'b'): dict.fromkeys(everywhere, 1),
        (b'b', b'a'): dict.fromkeys(everywhere, 1),
    }
    counts = count_rows(block, np.ones(300, bool))
    assert sorted(rows_of(counts)) == sorted(
        [
            (fingerprint((b'a',)), 600, 300),
            (fingerprint((b'b',)), 300, 300),
            (fingerprint((b'a', b'b')), 300, 300),
            (fingerprint((b'b', b'a')), 300, 300),
        ]
    )


def test_a_paper_of_a_hundred_thousand_times_one_word_has_one_n_gram_of_each_length():
    block = block_ngrams(np.zeros(100_000, np.int64), np.array([0, 100_000]), np.array([7]), 3)
    counts = {
        len([code for code in codes if code != NO_WORD]): block.counts[at] for at, codes in enumerate(block.words)
    }
    assert counts == {1: 100_000, 2: 99_999, 3: 99_998}
    assert block.rows.tolist() == [0, 0, 0]


def test_a_paper_of_a_hundred_thousand_words_keeps_all_of_them():
    numbers = np.random.default_rng(0).permutation(100_000)
    block = block_ngrams(numbers, np.array([0, 100_000]), np.arange(100_000) ** 3, 3)
    lengths = (block.words != NO_WORD).sum(1)
    assert np.bincount(lengths).tolist() == [0, 100_000, 99_999, 99_998]
    assert set(block.counts.tolist()) == {1}
    threes = block.words[lengths == 3]
    assert sorted(map(tuple, threes.tolist())) == sorted(zip(numbers[:-2], numbers[1:-1], numbers[2:], strict=True))


def test_a_long_paper_among_short_ones_keeps_all_of_its_n_grams():
    long = random.Random(0).choices(WORDS, k=3000)
    papers = [*([[b'the', b'cat']] * 300), long, []]
    block, words = block_of(papers, 2)
    found = {ngram: rows[300] for ngram, rows in spelled(block, words).items() if 300 in rows}
    assert found == ngrams_of(long, 2)


def test_a_block_that_is_too_large_for_64_bit_keys_is_refused():
    # 51 bits for the word, 14 for the row.
    splits = np.append(np.zeros(2**14, np.int64), 1)
    with pytest.raises(ValueError, match='^16384 papers of 1 tokens are too many for one block$'):
        block_ngrams(np.array([2**50]), splits, range(2**51), 1)


@given(papers=PAPERS, ngram_max=LENGTHS, data=st.data())
def test_counts_of_some_papers_leave_the_others_out(papers, ngram_max, data):
    chosen = data.draw(st.lists(st.booleans(), min_size=len(papers), max_size=len(papers)))
    block, _ = block_of(papers, ngram_max)
    some = [ngrams_of(paper, ngram_max) for paper, wanted in zip(papers, chosen, strict=True) if wanted]
    occurrences = sum(some, collections.Counter())
    frequencies = collections.Counter(ngram for paper in some for ngram in paper)
    assert rows_of(count_rows(block, np.array(chosen, bool))) == sorted(
        (fingerprint(ngram), occurrences[ngram], frequencies[ngram]) for ngram in occurrences
    )


@given(
    papers=PAPERS,
    ngram_max=LENGTHS,
    blocks=st.integers(1, 4),
    bits=st.sampled_from([0, 1, 3, 6]),
    order=st.randoms(use_true_random=False),
)
def test_counts_depend_neither_on_the_blocks_nor_on_the_partitions_nor_on_the_order(
    papers, ngram_max, blocks, bits, order
):
    whole = count_rows(block_of(papers, ngram_max)[0], np.ones(len(papers), bool))
    shuffled = order.sample(papers, len(papers))
    parts = collections.defaultdict(list)
    for some in (shuffled[number::blocks] for number in range(blocks)):
        for number, counts in partition_counts(
            count_rows(block_of(some, ngram_max)[0], np.ones(len(some), bool)), bits
        ):
            parts[number].append(NgramCounts.unpack(counts.pack()))
    for chunks in parts.values():
        order.shuffle(chunks)
    merged = [merge_counts(parts[number]) for number in sorted(parts)]
    assert rows_of(NgramCounts.concatenate(merged)) == rows_of(whole)
    assert {array.dtype for array in NgramCounts.concatenate(merged)} == {np.dtype(np.int64)}


@given(papers=PAPERS, other=PAPERS, ngram_max=LENGTHS, number=st.integers(0, 30), order=st.randoms())
def test_the_n_grams_of_the_vocabulary_are_found_in_any_papers_in_any_order(papers, other, ngram_max, number, order):
    training, _ = block_of(other, ngram_max)
    kept = most_frequent(count_rows(training, np.ones(len(other), bool)), number)
    vocabulary = Vocabulary(kept)
    id_of = {fingerprint: id_ for id_, fingerprint in enumerate(kept.fingerprints.tolist())}
    block, _ = block_of(papers, ngram_max)
    positions, ids = vocabulary.find(block)
    assert list(zip(positions.tolist(), ids.tolist(), strict=True)) == [
        (at, id_of[found]) for at, found in enumerate(block.fingerprints.tolist()) if found in id_of
    ]
    rows = order.sample(range(len(papers)), order.randint(0, len(papers)))
    found = row_ngrams(block, vocabulary, np.array(rows, np.int64))
    expected = [
        sorted(
            (id_of[fingerprint(ngram)], occurrences)
            for ngram, occurrences in ngrams_of(papers[row], ngram_max).items()
            if fingerprint(ngram) in id_of
        )
        for row in rows
    ]
    pairs = list(zip(found.ids.tolist(), found.counts.tolist(), strict=True))
    assert [pairs[begin:end] for begin, end in zip(found.splits[:-1], found.splits[1:], strict=True)] == expected
    assert found.splits[0] == 0


def test_the_vocabulary_knows_each_n_gram_by_its_id():
    vocabulary = Vocabulary(counts_of((30, 9, 1), (-10, 8, 2), (20, 7, 3)))
    assert vocabulary.fingerprints.tolist() == [-10, 20, 30]
    assert vocabulary.ids.tolist() == [1, 2, 0]
    assert vocabulary.counts.papers.tolist() == [1, 2, 3]


def test_two_n_grams_of_a_block_with_one_fingerprint_are_both_found():
    block, _ = block_of([[b'a', b'b', b'a']], 1)
    block = block._replace(fingerprints=np.array([5, 5]))
    positions, ids = Vocabulary(counts_of((7, 9, 9), (5, 1, 1))).find(block)
    assert (positions.tolist(), ids.tolist()) == ([0, 1], [1, 1])
    assert sorted(rows_of(count_rows(block, np.array([True])))) == [(5, 1, 1), (5, 2, 1)]


@pytest.mark.parametrize('empty', [1, 2, 300])
def test_papers_without_n_grams_may_stand_behind_all_that_have_some(empty):
    block, _ = block_of([*([[b'a']] * 256), *([[]] * empty)], 2)
    vocabulary = Vocabulary(count_rows(block, np.ones(256 + empty, bool)))
    found = row_ngrams(block, vocabulary, np.arange(256 + empty)[::-1])
    assert np.diff(found.splits).tolist() == [0] * empty + [1] * 256
    nothing, _ = block_of([[]] * empty, 2)
    assert row_ngrams(nothing, vocabulary, np.arange(empty)).splits.tolist() == [0] * (empty + 1)


def test_a_paper_is_looked_up_whatever_its_row_and_count():
    block, _ = block_of([*([[b'a']] * 999), [b'b'] * 70_000], 1)
    vocabulary = Vocabulary(counts_of((fingerprint((b'a',)), 999, 999), (fingerprint((b'b',)), 70_000, 1)))
    found = row_ngrams(block, vocabulary, np.array([999, 0]))
    assert [array.tolist() for array in found] == [[0, 1, 2], [1, 0], [70_000, 1]]
