"""The most frequent n-grams of all are found among the most frequent ones of each hash partition."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.count_ngrams import Candidates, candidates_needed, cut, vocabulary_of
from pipeline.ngrams import NgramCounts, most_frequent, partition_counts
from schemas.errors import JobError

NO_NGRAM = 'No n-gram is left: --min_document_frequency and --max_document_fraction leave out all'
UNEVEN = 'N-grams are spread unevenly over the hash partitions'


def random_counts(seed, number):
    """Counts of `number` n-grams, with many ties and fingerprints all over the place."""
    random = np.random.default_rng(seed)
    fingerprints = np.unique(random.integers(-(2**63), 2**63, number))
    return NgramCounts(fingerprints, random.geometric(0.1, len(fingerprints)), np.ones(len(fingerprints), np.int64))


def candidates_of(counts, bits, needed, chunk=1000):
    """The candidates of each partition, in chunks."""
    found = []
    for _, part in partition_counts(counts, bits):
        best = most_frequent(part, needed)
        complete = len(part.fingerprints) <= needed
        for start in range(0, len(best.fingerprints), chunk):
            last = start + chunk >= len(best.fingerprints)
            some = NgramCounts(*(column[start : start + chunk] for column in best))
            found.append(Candidates(some.pack(), complete or not last))
    return found


def lists(counts):
    return [column.tolist() for column in counts]


def test_a_partition_sends_its_even_share_and_ten_standard_deviations_of_it():
    # 586 on average, 24 standard deviation, a hundred for small shares.
    assert candidates_needed(150_000, 256) == 928
    # 39063 on average.
    assert candidates_needed(10_000_000, 256) == 41_139
    assert candidates_needed(1_000, 8) == 337


@pytest.mark.parametrize('partitions', [1, 8, 64])
def test_a_partition_never_sends_more_than_the_vocabulary_holds(partitions):
    assert candidates_needed(50, partitions) == 50
    assert candidates_needed(1_000_000, 1) == 1_000_000


@given(
    seed=st.integers(0, 2**32),
    ngrams=st.integers(1, 3000),
    number=st.integers(1, 600),
    chunk=st.integers(1, 500),
    order=st.randoms(use_true_random=False),
)
def test_the_vocabulary_depends_neither_on_the_number_of_partitions_nor_on_the_order(
    seed, ngrams, number, chunk, order
):
    counts = random_counts(seed, ngrams)
    expected = lists(most_frequent(counts, number))
    for bits in (0, 3, 6):
        candidates = candidates_of(counts, bits, candidates_needed(number, 1 << bits), chunk)
        order.shuffle(candidates)
        assert lists(cut(candidates, number)) == expected


@given(
    numbers=st.lists(st.tuples(st.integers(-4, 3), st.integers(1, 4)), min_size=1, max_size=40),
    needed=st.integers(1, 6),
    number=st.integers(1, 12),
    chunk=st.integers(1, 3),
)
def test_however_uneven_the_partitions_are_the_vocabulary_is_right_or_refused(numbers, needed, number, chunk):
    numbers = sorted((partition * 2**61 + place, count) for place, (partition, count) in enumerate(numbers))
    fingerprints, occurrences = (np.array(column, np.int64) for column in zip(*numbers, strict=True))
    counts = NgramCounts(fingerprints, occurrences, occurrences)
    expected = most_frequent(counts, number)
    of_partition = np.unique(expected.fingerprints >> 61, return_counts=True)[1]
    candidates = candidates_of(counts, 3, needed, chunk)
    if of_partition.max() > needed:
        with pytest.raises(JobError, match=UNEVEN):
            cut(candidates, number)
        return
    # If the vocabulary has all that a partition sent, nobody knows whether it has more.
    with contextlib.suppress(JobError) if of_partition.max() == needed else contextlib.nullcontext():
        assert lists(cut(candidates, number)) == lists(expected)


def test_a_partition_that_was_cut_within_the_vocabulary_fails_the_run():
    # All in one partition, and more of them in the vocabulary than the partition sent.
    counts = NgramCounts(np.arange(30), np.arange(30) + 1, np.ones(30, np.int64))
    with pytest.raises(JobError, match=UNEVEN):
        cut(candidates_of(counts, 3, 10), 20)
    with pytest.raises(JobError, match=UNEVEN):
        cut(candidates_of(counts, 3, 10), 11)
    assert cut(candidates_of(counts, 3, 30), 20).occurrences.tolist() == [*range(30, 10, -1)]


def test_a_partition_may_have_the_whole_vocabulary():
    counts = NgramCounts(np.arange(30), np.arange(30) + 1, np.ones(30, np.int64))
    assert cut(candidates_of(counts, 3, 10), 10).occurrences.tolist() == [30, 29, 28, 27, 26, 25, 24, 23, 22, 21]
    assert cut(candidates_of(counts, 3, 1), 1).occurrences.tolist() == [30]


def test_a_vocabulary_larger_than_what_exists_holds_all_there_is():
    counts = NgramCounts(np.array([-5, 7]), np.array([1, 2]), np.array([1, 1]))
    assert lists(cut(candidates_of(counts, 3, 100), 100)) == [[7, -5], [2, 1], [1, 1]]


def test_without_any_n_gram_the_run_fails_and_names_the_flags():
    with pytest.raises(JobError, match=NO_NGRAM):
        cut([], 5)


def test_the_chunks_of_a_vocabulary_may_come_in_any_order():
    counts = random_counts(0, 5000)
    ranked = most_frequent(counts, 2500)
    chunks = [
        (start, NgramCounts(*(column[start : start + 900] for column in ranked)).pack()) for start in (0, 900, 1800)
    ]
    for order in (chunks, chunks[::-1], [chunks[1], chunks[2], chunks[0]]):
        vocabulary = vocabulary_of(order)
        assert lists(vocabulary.counts) == lists(ranked)
        assert vocabulary.fingerprints.tolist() == sorted(ranked.fingerprints.tolist())
        assert vocabulary.counts.fingerprints[vocabulary.ids].tolist() == vocabulary.fingerprints.tolist()
    assert lists(vocabulary_of([]).counts) == [[], [], []]
