"""Counts of n-grams as tests write and read them."""

from __future__ import annotations

import numpy as np

from pipeline.ngrams import NgramCounts


def counts_of(*rows):
    """NgramCounts of (fingerprint, occurrences, papers)."""
    return NgramCounts(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


def rows_of(counts):
    """(fingerprint, occurrences, papers) of each n-gram."""
    return list(zip(*(column.tolist() for column in counts), strict=True))
