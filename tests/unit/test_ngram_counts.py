"""Counts of n-grams are merged, partitioned, packed and ranked, whatever their number and order."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ngrams import NgramCounts, merge_counts, most_frequent, partition_counts
from tests.ngram_counts import counts_of, rows_of

NONE = NgramCounts(*np.zeros((3, 0), np.int64))
NUMBERS = st.one_of(st.integers(1, 3), st.integers(1, 2**62))
COUNTS = st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.tuples(NUMBERS, NUMBERS)).map(
    lambda found: counts_of(*((key, *found[key]) for key in sorted(found))) if found else NONE
)


@given(parts=st.lists(COUNTS, max_size=5), data=st.data())
def test_counts_may_be_merged_in_any_groups(parts, data):
    parts = [NgramCounts(part.fingerprints % 5, part.occurrences % 9, part.papers % 9) for part in parts]
    expected = collections.defaultdict(lambda: np.zeros(2, np.int64))
    for part in parts:
        for key, *numbers in rows_of(part):
            expected[key] += numbers
    groups = collections.defaultdict(list)
    for part in data.draw(st.permutations(parts)):
        groups[data.draw(st.integers(0, 2))].append(part)
    merged = merge_counts(merge_counts(group) for group in groups.values())
    assert rows_of(merged) == [(key, *expected[key].tolist()) for key in sorted(expected)]


def test_of_nothing_the_merged_counts_are_empty():
    assert (
        rows_of(merge_counts([])) == rows_of(merge_counts([NONE, NONE])) == rows_of(NgramCounts.concatenate([])) == []
    )


@given(counts=COUNTS, bits=st.integers(0, 8))
def test_a_partition_has_the_n_grams_whose_fingerprints_begin_with_its_number(counts, bits):
    parts = list(partition_counts(counts, bits))
    assert rows_of(NgramCounts.concatenate(part for _, part in parts)) == rows_of(counts)
    assert [number for number, _ in parts] == sorted({number for number, _ in parts})
    for number, part in parts:
        assert len(part.fingerprints) > 0
        assert -(2**bits) <= 2 * number < 2**bits or bits == 0 == number
        assert {key >> (64 - bits) if bits else 0 for key in part.fingerprints.tolist()} == {number}


@given(counts=COUNTS)
def test_packed_counts_come_out_as_they_went_in(counts):
    assert rows_of(NgramCounts.unpack(counts.pack())) == rows_of(counts)
    assert {array.dtype for array in NgramCounts.unpack(counts.pack())} == {np.dtype(np.int64)}


@pytest.mark.parametrize('most', [0, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**62])
def test_numbers_of_any_width_come_out_as_they_went_in(most):
    counts = counts_of((-3, 1, 1), (5, most, 0), (9, 2, 1))
    assert rows_of(NgramCounts.unpack(counts.pack())) == rows_of(counts)


def test_the_most_frequent_n_grams_come_first_and_ties_go_by_the_scattered_fingerprint():
    # Times 0xBF58476D1CE4E5B9 modulo 2**64, in the order of fingerprints 1 to 5:
    # 0xbf58..., 0x7eb0..., 0x3e08..., 0xfd61..., 0xbcb9...
    counts = counts_of((1, 7, 1), (2, 7, 2), (3, 7, 3), (4, 7, 1), (5, 7, 1), (6, 9, 9), (7, 1, 1))
    everything = [(6, 9, 9), (3, 7, 3), (2, 7, 2), (5, 7, 1), (1, 7, 1), (4, 7, 1), (7, 1, 1)]
    for number in range(8):
        assert rows_of(most_frequent(counts, number)) == everything[:number]


def test_if_more_are_asked_for_than_exist_all_of_them_are_the_most_frequent():
    counts = counts_of((1, 1, 1), (2, 5, 2))
    assert rows_of(most_frequent(counts, 1000)) == [(2, 5, 2), (1, 1, 1)]
    assert rows_of(most_frequent(NONE, 0)) == rows_of(most_frequent(NONE, 5)) == []


@given(counts=COUNTS, number=st.integers(0, 20), order=st.randoms(use_true_random=False))
def test_which_n_grams_are_the_most_frequent_does_not_depend_on_their_order(counts, number, order):
    rows = rows_of(counts)
    expected = sorted(rows, key=lambda row: (-row[1], row[0] * 0xBF58476D1CE4E5B9 % 2**64))[:number]
    assert rows_of(most_frequent(counts, number)) == expected
    shuffled = np.array(order.sample(range(len(rows)), len(rows)), np.int64)
    assert rows_of(most_frequent(NgramCounts(*(column[shuffled] for column in counts)), number)) == expected
