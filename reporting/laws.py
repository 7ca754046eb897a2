"""What is computed for the report: medians of counts, Zipf's and Heaps' law. No drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt


def quantile(counts: Mapping[int, int], share: float) -> int:
    """The smallest value that at least `share` of all are not above.

    >>> quantile({1: 5, 2: 3, 3: 2}, .5), quantile({1: 5, 2: 3, 3: 2}, .51)
    (1, 2)

    Args:
        counts: value -> how many have it; not all 0.
        share: above 0, at most 1.
    """
    needed = share * sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= needed - 1e-9:
            return value
    raise ValueError('no counts')


def share_from(counts: Mapping[int, int], low: int) -> float:
    """The share of all whose value is `low` or more."""
    total = sum(counts.values())
    return sum(number for value, number in counts.items() if value >= low) / total if total else 0.0


def ranks(document_frequencies: Mapping[int, int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rank-frequency pairs: n-grams by the number of papers that they occur in, most frequent first.

    >>> ranks({1: 3, 2: 1, 7: 1})  # 7 papers, 2 papers, and three n-grams of 1 paper
    (array([1., 2., 5.]), array([7., 2., 1.]))

    Args:
        document_frequencies: papers -> how many n-grams occur in just so many.

    Returns:
        The last rank of each number of papers, and that number: what a curve needs, however many n-grams there are.
    """
    frequencies = np.array(sorted(document_frequencies, reverse=True), np.float64)
    numbers = np.array([document_frequencies[int(frequency)] for frequency in frequencies], np.float64)
    return np.cumsum(numbers), frequencies


def expected_ngrams(document_frequencies: Mapping[int, int], papers: int, samples: Sequence[int]) -> list[float]:
    """How many distinct n-grams a random sample of the papers has, on average.

    The sum over n-grams of 1 - (1 - n / N)^df: rarefaction (Hurlbert, 1971) in its binomial form.

    >>> [round(number, 2) for number in expected_ngrams({1: 4, 2: 2}, 4, [0, 2, 4])]
    [0.0, 3.5, 6.0]

    Args:
        document_frequencies: papers -> how many n-grams occur in just so many.
        papers: N, all of them.
        samples: n, each at most N.
    """
    frequencies = np.array(list(document_frequencies), np.float64)
    numbers = np.array(list(document_frequencies.values()), np.float64)
    with np.errstate(divide='ignore'):
        # Of a sample of all, no n-gram is missed: exp(df * log(0)) is 0.
        missed = [
            np.exp(frequencies * np.log1p(-sample / papers)) if sample else np.ones(len(frequencies))
            for sample in samples
        ]
    return [float(np.sum(numbers * (1 - share))) for share in missed]


def heaps_exponent(sizes: Sequence[int], distinct: Sequence[float]) -> float:
    """The exponent of Heaps' law, distinct = K * papers^exponent, by least squares of the logarithms.

    >>> round(heaps_exponent([10, 100, 1000], [50, 500, 5000]), 6)
    1.0
    """
    slope, _ = np.polyfit([math.log(size) for size in sizes], [math.log(number) for number in distinct], 1)
    return float(slope)


def thinned(number: int, most: int) -> list[int]:
    """Which of `number` points of a curve to draw, if no more than `most` are: evenly spread, the ends among them.

    >>> thinned(5, 10), thinned(9, 3)
    ([0, 1, 2, 3, 4], [0, 4, 8])
    """
    if number <= most:
        return list(range(number))
    return sorted({round(place * (number - 1) / (most - 1)) for place in range(most)})
