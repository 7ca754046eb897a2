"""Propensities are those of Jain, Prabhu and Varma."""

import math

import numpy as np
import pytest

from trainer.propensity import propensities


def test_propensities_follow_the_formula():
    found = propensities([0, 1, 1000, 15539], 15539)
    assert found.dtype == np.float32
    c = (math.log(15539) - 1) * 2.5**0.55
    assert found.tolist() == pytest.approx(
        [
            1 / (1 + c / 1.5**0.55),
            # A label of one paper: (B + 1)^A and exp(-A log(1 + B)) cancel, and 1 / log N remains.
            1 / math.log(15539),
            1 / (1 + c / 1001.5**0.55),
            1 / (1 + c / 15540.5**0.55),
        ],
        rel=1e-6,
    )


def test_of_very_few_papers_no_label_is_held_to_be_forgotten():
    assert propensities([0, 1, 2], 2).tolist() == [1, 1, 1]
    assert propensities([0], 0).tolist() == [1]
