"""How likely a label that applies to a paper was also given to it: rare labels are forgotten more often."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# What Jain et al. propose for data sets that they did not fit them to.
A = 0.55
B = 1.5


def propensities(label_papers: Sequence[int], papers: int) -> npt.NDArray[np.float32]:
    """Estimates the propensities of labels from how often they occur.

    p_l = 1 / (1 + C exp(-A log(N_l + B))) with C = (log N - 1) (B + 1)^A, where N_l of the N training papers have the
    label (Jain, Prabhu and Varma, "Extreme multi-label loss functions for recommendation, tagging, ranking & other
    missing label applications", 2016). For N below 3, C would be negative, and is taken as 0.

    Args:
        label_papers: training papers that have each label.
        papers: training papers.

    Returns:
        float32 [labels], each above 0 and at most 1.

    >>> [f'{propensity:.3f}' for propensity in propensities([1, 1000], 2000)]
    ['0.132', '0.804']
    """
    c = max(math.log(max(papers, 1)) - 1, 0) * (B + 1) ** A
    return np.array([1 / (1 + c * math.exp(-A * math.log(n + B))) for n in label_papers], np.float32)
