"""Sums of fractions that do not depend on the order of their terms: whole numbers of 2^-40. Pure NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UNITS = 2.0**40


def units(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Rounds numbers to whole multiples of 2^-40, which is exact to 5e-13.

    Floating-point numbers must be added up in a fixed order to give the same sum again; integers need not.

    Args:
        values: of any shape, below 2^23 in magnitude.

    Returns:
        int64 of the same shape: the multiples. Divide their sum by `UNITS`.

    >>> int(units([0.1, 0.2, 0.3]).sum()) / UNITS == int(units([0.3, 0.2, 0.1]).sum()) / UNITS
    True
    """
    return np.rint(np.asarray(values, np.float64) * UNITS).astype(np.int64)
