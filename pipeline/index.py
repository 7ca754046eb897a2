"""The index: what deduplicating and splitting need to know of a paper, in 68 bytes.

Papers stay where they were read; rows of the index travel in their place, many in one element, as the bytes of NumPy
structured arrays. All of their bytes are little-endian, whatever the machine.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.hashing import keyed_hash
from schemas.paper import Paper

Rows = npt.NDArray[Any]
"""A structured array, [n]; which dtype it has is said where it is used."""

Part = tuple[int, bytes]
"""The number of a partition, or the id of a block, and rows that belong to it."""

INDEX = np.dtype(
    [
        ('id_high', '<u8'),  # 128-bit hash of the id
        ('id_low', '<u8'),
        ('title_high', '<u8'),  # 128-bit hash of the title's key
        ('title_low', '<u8'),
        ('content', '<u8'),  # of title, abstract and labels
        ('recency', '<i8'),  # YYYYMMDD of `updated`, or 0 if unknown, times 2**32, plus the version
        ('label_set', '<u8'),  # below 2**62: see `label_set_hash`
        ('block', '<i8'),  # where the paper lies
        ('row', '<u4'),
    ]
)
"""One paper."""

PLACES = np.dtype([('row', '<u4'), ('split', 'u1')])
"""The place of one paper of a block; `split` is a position in `schemas.features.SPLITS`."""

# An element that crosses a shuffle has some 2 MB at most; this leaves room for what is said around it.
MAX_CHUNK_BYTES = 1 << 20

_ASCII = ''.join(map(chr, range(128)))
_LOWER_CASE = _ASCII.lower().encode() + bytes(128)
_LEFT_OUT = ''.join(character for character in _ASCII if unicodedata.category(character)[0] in 'PZC').encode()


def title_key(title: str) -> str:
    """Returns what two titles share if they differ only in case, white space and punctuation.

    A title of nothing else stands for itself.

    >>> title_key('Multi-Label  Learning: a survey.') == title_key('Multi-label learning - A Survey')
    True
    """
    if title.isascii():
        # The same as below, thirty times as fast.
        return title.encode().translate(_LOWER_CASE, _LEFT_OUT).decode() or title
    folded = unicodedata.normalize('NFKC', title).casefold()
    kept = (character for character in folded if unicodedata.category(character)[0] not in 'PZC')
    return ''.join(kept) or title


def label_set(paper: Paper) -> str:
    """Returns the paper's labels as one string.

    >>> label_set(Paper('1', 'T', 'A', labels=('cs.LG', 'stat.ML')))
    'cs.LG stat.ML'
    """
    return ' '.join(paper.labels)


def label_set_hash(name: str) -> int:
    """Returns the hash that stands for a label set in `INDEX`: below 2**62, so that Beam writes it as a plain integer.

    Among n label sets two have the same hash with a probability of n**2 / 2**63, one in 10 million for a million;
    `pipeline.label_sets` finds them, if ever there are.
    """
    return keyed_hash(name, 'label set')


def label_set_names(label_sets: Iterable[str]) -> dict[int, str]:
    """Returns label sets by their hashes."""
    return {label_set_hash(name): name for name in label_sets}


def index_of(papers: Sequence[Paper], block: int) -> Rows:
    """Makes the index of a block of papers.

    Args:
        papers: n papers, in the order in which the block holds them.
        block: the block's id, a signed integer of 64 bits.

    Returns:
        INDEX [n]. But for `block` and `row` it depends on each paper alone: papers that are equal have equal rows.
    """
    rows = np.empty(len(papers), INDEX)
    blake2b = hashlib.blake2b
    ids = [blake2b(paper.id.encode(), digest_size=16, key=b'id').digest() for paper in papers]
    titles = [blake2b(title_key(paper.title).encode(), digest_size=16, key=b'title').digest() for paper in papers]
    rows['id_high'], rows['id_low'] = _halves(ids)
    rows['title_high'], rows['title_low'] = _halves(titles)
    contents = [blake2b(_content(paper).encode(), digest_size=8, key=b'content').digest() for paper in papers]
    rows['content'] = np.frombuffer(b''.join(contents), '<u8')
    rows['recency'] = [_recency(paper) for paper in papers]
    rows['label_set'] = [_hash_of_labels(paper.labels) for paper in papers]
    rows['block'] = block
    rows['row'] = np.arange(len(papers))
    return rows


def chunks(rows: Rows, max_bytes: int = MAX_CHUNK_BYTES) -> Iterator[bytes]:
    """Yields the bytes of rows in chunks of whole rows, each of at most `max_bytes`, or of one row."""
    step = max(max_bytes // rows.itemsize, 1)
    for start in range(0, len(rows), step):
        yield rows[start : start + step].tobytes()


def parts(rows: Rows, partition_of_row: npt.NDArray[Any], max_bytes: int = MAX_CHUNK_BYTES) -> Iterator[Part]:
    """Groups rows by partition.

    >>> rows = np.array([(0, 2), (1, 0), (2, 2)], PLACES)
    >>> [(partition, rows_of([chunk], PLACES).tolist()) for partition, chunk in parts(rows, rows['split'])]
    [(0, [(1, 0)]), (2, [(0, 2), (2, 2)])]

    Args:
        rows: [n], of any dtype.
        partition_of_row: integers [n].
        max_bytes: see `chunks`.

    Yields:
        The partitions that have rows, in ascending order, each with the `chunks` of its rows in the order they had.
    """
    order = np.argsort(partition_of_row, kind='stable')
    ordered, partition = rows[order], partition_of_row[order]
    starts = np.flatnonzero(np.r_[len(rows) > 0, partition[1:] != partition[:-1]])
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=False):
        for chunk in chunks(ordered[start:end], max_bytes):
            yield int(partition[start]), chunk


def rows_of(chunks_: Iterable[bytes], dtype: np.dtype[Any]) -> Rows:
    """Returns the rows of chunks, one after the other. They are read-only."""
    return np.frombuffer(b''.join(chunks_), dtype)


def _halves(digests: list[bytes]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    halves = np.frombuffer(b''.join(digests), '<u8').reshape(-1, 2)
    return halves[:, 0], halves[:, 1]


def _content(paper: Paper) -> str:
    # The length tells where the title ends, and the last zero where the labels begin, whatever the texts hold.
    return f'{len(paper.title)}\0{paper.title}{paper.abstract}\0{label_set(paper)}'


def _recency(paper: Paper) -> int:
    return (int(paper.updated.replace('-', '') or 0) << 32) + paper.version


@functools.lru_cache(1 << 16)
def _hash_of_labels(labels: tuple[str, ...]) -> int:
    return label_set_hash(' '.join(labels))
