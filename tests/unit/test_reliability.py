"""The calibration error is the one computed by hand, and exact in whatever order pairs are added up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trainer.reliability import BINS, Reliability

SCORES = arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(0, 1, width=32))


def counted(applies, scores):
    reliability = Reliability()
    reliability.add(np.asarray(applies, bool), np.asarray(scores, np.float32))
    return reliability


def test_bins_and_calibration_error_by_hand():
    # The first bin: mean score .05, half of it applies. The eighth: .5, all. The last, 1 included: .975, all.
    reliability = counted([[0, 1, 1], [1, 1, 1]], [[0.05, 0.05, 0.5], [0.95, 1.0, 1.0]])
    rows = reliability.rows()
    assert len(rows) == 15
    assert [row.pairs for row in rows] == [2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3]
    assert rows[0] == (0, 2, pytest.approx(0.05), 0.5)
    assert rows[1] == (1 / 15, 0, None, None)
    assert rows[7] == (7 / 15, 1, 0.5, 1)
    assert rows[14] == (14 / 15, 3, pytest.approx(2.95 / 3), 1)
    assert reliability.expected_calibration_error() == pytest.approx((2 * 0.45 + 0.5 + 3 * 0.05 / 3) / 6, rel=1e-7)


def test_without_pairs_there_is_no_calibration_error():
    assert counted([], []).expected_calibration_error() is None


def test_a_bin_begins_at_its_lower_edge():
    edges = np.array([number / BINS for number in range(BINS)])
    at_or_above = np.where(edges.astype(np.float32) < edges, np.nextafter(edges.astype(np.float32), 2), edges)
    below = np.nextafter(at_or_above[1:].astype(np.float32), np.float32(0))
    assert [row.pairs for row in counted(np.ones(15), at_or_above).rows()] == [1] * 15
    assert [row.pairs for row in counted(np.ones(14), below).rows()] == [1] * 14 + [0]


@given(scores=SCORES, data=st.data())
def test_the_rows_are_exact_and_do_not_depend_on_the_order(scores, data):
    applies = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))), bool)
    order = np.array(data.draw(st.permutations(range(len(scores)))), int)
    cut = data.draw(st.integers(0, len(scores)))
    whole, merged = counted(applies, scores), counted(applies[order][:cut], scores[order][:cut])
    merged.merge(counted(applies[order][cut:], scores[order][cut:]))
    assert merged.rows() == whole.rows()
    assert merged.expected_calibration_error() == whole.expected_calibration_error()
    bins = np.minimum(scores.astype(np.float64) * 15 // 1, 14)
    for number, row in enumerate(whole.rows()):
        inside = scores[bins == number].astype(np.float64)
        assert row.pairs == len(inside)
        assert row.mean_score == (pytest.approx(inside.mean(), abs=1e-12) if len(inside) else None)
        assert row.share == (applies[bins == number].mean() if len(inside) else None)


def test_sums_beyond_64_bits_stay_exact():
    reliability = counted(np.zeros(3), [1, 1, 0.5])
    for _ in range(40):
        reliability.merge(reliability)
    # 3 x 2^40 pairs, whose scores are 2.5 x 2^80 units.
    assert reliability.rows()[14] == (14 / 15, 2 << 40, 1.0, 0.0)
    assert reliability.expected_calibration_error() == pytest.approx(2.5 / 3, rel=1e-15)
