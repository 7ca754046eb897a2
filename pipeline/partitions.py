"""Into how many parts the shuffles divide what they move: it follows from the size of the dumps.

No result depends on it. What it decides is how much a worker holds at a time, and how small elements become.
"""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterable
from typing import NamedTuple

from pipeline.readers import Dump
from schemas.remote import is_remote

# Measured on arXiv's metadata: bytes of a record, what compressing saves, and the distinct n-grams of blocks of 16,000
# papers, per paper, by the length of the longest n-gram.
_PAPER_BYTES = 1100
_COMPRESSION = 4
_BLOCK_NGRAMS = {1: 5, 2: 51, 3: 165}

# What a worker reads and counts in the seconds that another one takes to begin.
_WORKER_BYTES = 16 << 20

# What a worker holds of a partition: 7 MB of index, 24 MB of counts.
_PAPERS, _NGRAMS = 100_000, 1_000_000
# Every block sends an element to every partition: with more of these, elements of 10**9 papers would be a few bytes. So
# partitions grow from 10**8 papers on, to 320 MB at 10**9.
_MAX_NGRAM_BITS = 12


class Partitions(NamedTuple):
    """Numbers of partitions.

    Attributes:
        papers: of the index.
        ngram_bits: of the n-gram counts there are 2**ngram_bits.
    """

    papers: int
    ngram_bits: int


def partitions_of(dumps: Iterable[Dump], ngram_max: int) -> Partitions:
    """Chooses the numbers of partitions: at least eight, so that a few workers have their even share.

    >>> partitions_of([Dump('arxiv.json', 4_400_000_000, '', 'json_lines')], ngram_max=2)
    Partitions(papers=40, ngram_bits=8)
    """
    papers = _bytes(dumps) / _PAPER_BYTES
    ngrams = papers * _BLOCK_NGRAMS[ngram_max]
    bits = math.ceil(math.log2(max(ngrams / _NGRAMS, 1)))
    return Partitions(max(8, math.ceil(papers / _PAPERS)), min(max(bits, 3), _MAX_NGRAM_BITS))


def workers_of(dumps: Iterable[Dump]) -> int:
    """Returns how many worker processes have enough to do: beginning with more takes longer than the work.

    >>> workers_of([Dump('sample.csv', 5_000_000)]), workers_of([Dump('arxiv.json', 4_400_000_000)])
    (1, 263)
    """
    return 1 + int(_bytes(dumps) / _WORKER_BYTES)


def likely_workers(patterns: Iterable[str]) -> int:
    """Returns what `workers_of` will, or less: from the sizes of local files alone, before Beam is there to look.

    Args:
        patterns: paths or globs.
    """
    paths = {path for pattern in patterns if not is_remote(pattern) for path in glob.glob(pattern)}
    return workers_of(Dump(path, os.path.getsize(path)) for path in paths if os.path.isfile(path))


def _bytes(dumps: Iterable[Dump]) -> int:
    return sum(dump.size * (_COMPRESSION if dump.compression else 1) for dump in dumps)
