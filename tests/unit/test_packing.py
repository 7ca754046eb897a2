"""Arrays of integers become few bytes, and come back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.packing import pack, unpack


@given(st.lists(st.lists(st.integers(0, 2**64 - 1))))
def test_arrays_come_out_as_they_went_in(arrays):
    found = unpack(pack(*(np.array(array, np.uint64) for array in arrays)))
    assert [array.tolist() for array in found] == arrays


def test_what_comes_out_is_flat_and_as_narrow_as_it_may_be():
    found = unpack(pack(np.array([[1, 2], [3, 255]]), np.array([256]), np.array([70_000]), np.array([2**32])))
    assert [array.dtype for array in found] == [np.uint8, np.uint16, np.uint32, np.uint64]
    assert found[0].tolist() == [1, 2, 3, 255]


def test_ten_thousand_ascending_ids_of_n_grams_take_less_than_half_of_their_bytes():
    ids = np.sort(np.random.default_rng(0).integers(0, 150_000, (100, 100)), axis=1)
    assert len(pack(ids)) < 4 * ids.size * 0.6


def test_equal_arrays_have_equal_bytes_whatever_their_dtype():
    assert pack(np.array([1, 300], np.int64)) == pack(np.array([1, 300], np.uint16))
