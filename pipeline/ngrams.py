"""Counts n-grams: words as integers in, distinct n-grams and their papers out. Pure NumPy, no Beam, no TensorFlow.

Papers are counted in blocks. Within a block a word is a small integer, so an n-gram and the paper it stands in fit into
one 64-bit key: one sort of the keys, and occurrences and document frequencies are lengths of runs. Nothing is hashed
there, so nothing can collide. Between blocks n-grams are known by 64-bit fingerprints.

Of n distinct n-grams, two share a fingerprint with a probability of about n * n / 2**65: 3e-6 for the 10 million of
545,000 papers. `spell_ngrams.py` checks the words of every n-gram that is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline.packing import pack, unpack

# Odd, so that multiplication permutes the integers modulo 2**64: the constants of Steele et al., "Fast Splittable
# Pseudorandom Number Generators" (2014), as signed integers.
_FINGERPRINT_FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)
_TIE_FACTOR = 0xBF58476D1CE4E5B9


def extend_fingerprint(prefix: Any, word: Any) -> Any:
    """Returns the fingerprint of an n-gram of its first n - 1 words' fingerprint and its last word's hash.

    A polynomial in the words' hashes, modulo 2**64 (Karp and Rabin, "Efficient randomized pattern-matching
    algorithms", 1987). Before the first word stands 0.

    Args:
        prefix: int64 array or TensorFlow tensor; both wrap around in the same way.
        word: the same, of equal shape.

    Returns:
        int64, as evenly spread as the words' hashes.
    """
    return (prefix + word) * _FINGERPRINT_FACTOR


class BlockNgrams(NamedTuple):
    """The distinct n-grams of a block of papers, in the order of their fingerprints, and where they stand.

    Attributes:
        fingerprints: int64 [n], ascending.
        words: uint32 [n, ngram_max], each n-gram's words as positions in the block's list of words, filled up with
            NO_WORD.
        starts: uint32 [n + 1]; n-gram i stands in the papers `rows[starts[i]:starts[i + 1]]`.
        rows: unsigned integers [pairs], rows in the block, ascending within an n-gram.
        counts: unsigned integers [pairs], occurrences of the n-gram in that paper.
    """

    fingerprints: np.ndarray
    words: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    counts: np.ndarray


NO_WORD = np.uint32(0xFFFFFFFF)


def block_ngrams(words: np.ndarray, row_splits: np.ndarray, word_hashes: np.ndarray, ngram_max: int) -> BlockNgrams:
    """Finds the n-grams of 1 to `ngram_max` words of each paper of a block.

    Args:
        words: int64 [tokens], positions in `word_hashes`, each of which occurs.
        row_splits: int64 [papers + 1], where each paper's tokens begin and end.
        word_hashes: int64 [distinct words].
        ngram_max: longest n-gram, in words.

    Raises:
        ValueError: if the block is too large for 64-bit keys: more than 2**14 papers of 2**24 tokens together always
            fit.
    """
    papers = len(row_splits) - 1
    rows = np.repeat(np.arange(papers), np.diff(row_splits))
    row_bits, word_bits = (max(number - 1, 1).bit_length() for number in (papers, len(word_hashes)))
    # Of the (n - 1)-grams: which begins at each token; their fingerprints; their words.
    prefixes, fingerprints, spelled = np.zeros_like(words), np.zeros(1, np.int64), np.zeros((1, 0), np.uint32)
    found: list[BlockNgrams] = []
    for length in range(1, ngram_max + 1):
        begins = np.flatnonzero(rows[: max(len(rows) - length + 1, 0)] == rows[length - 1 :])
        grams = (prefixes[begins] << word_bits) | words[begins + length - 1]
        if len(grams) and int(grams.max()).bit_length() + row_bits > 63:
            raise ValueError(f'{papers} papers of {len(words)} tokens are too many for one block')
        keys = np.sort((grams << row_bits) | rows[begins])
        pair_starts = _run_starts(keys)
        pairs = keys[pair_starts]
        gram_starts = _run_starts(pairs >> row_bits)
        distinct = pairs[gram_starts] >> row_bits
        prefix, word = distinct >> word_bits, distinct & ((1 << word_bits) - 1)
        fingerprints = extend_fingerprint(fingerprints[prefix], word_hashes[word])
        spelled = np.column_stack([spelled[prefix], word.astype(np.uint32)])
        rows_of_pairs = (pairs & ((1 << row_bits) - 1)).astype(np.min_scalar_type(max(papers - 1, 0)))
        counts = np.diff(pair_starts, append=len(keys))
        counts = counts.astype(np.min_scalar_type(counts.max(initial=0)))
        found.append(BlockNgrams(fingerprints, spelled, np.append(gram_starts, len(pairs)), rows_of_pairs, counts))
        if length < ngram_max:
            prefixes = np.zeros_like(words)
            # Every word occurs, so words are numbered already.
            prefixes[begins] = np.searchsorted(distinct, grams) if length > 1 else words
    return _in_order_of_fingerprints(found, ngram_max)


def _run_starts(values: np.ndarray) -> np.ndarray:
    """Returns where each run of equal values begins."""
    if not len(values):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.append(True, values[1:] != values[:-1]))


def positions_of(begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns the positions of stretches, one stretch after the other.

    >>> positions_of(np.array([7, 0]), np.array([2, 3]))
    array([7, 8, 0, 1, 2])

    Args:
        begins: int64 [n], where each stretch begins.
        lengths: int64 [n].
    """
    ends = np.cumsum(lengths)
    return np.repeat(begins - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)


def _in_order_of_fingerprints(parts: list[BlockNgrams], ngram_max: int) -> BlockNgrams:
    """Merges the n-grams of each length."""
    fingerprints = np.concatenate([part.fingerprints for part in parts])
    order = np.argsort(fingerprints)
    words = [
        np.pad(part.words, ((0, 0), (0, ngram_max - part.words.shape[1])), constant_values=NO_WORD) for part in parts
    ]
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    pairs = positions_of((np.cumsum(lengths) - lengths)[order], lengths[order])
    starts = np.append(0, np.cumsum(lengths[order]))
    rows, counts = (np.concatenate([getattr(part, name) for part in parts])[pairs] for name in ('rows', 'counts'))
    return BlockNgrams(
        fingerprints[order],
        np.concatenate(words)[order],
        starts.astype(np.uint32),
        rows,
        counts,
    )


class NgramCounts(NamedTuple):
    """How often n-grams occur.

    Attributes:
        fingerprints: int64 [n], ascending, each once.
        occurrences: int64 [n].
        papers: int64 [n], the document frequency.
    """

    fingerprints: np.ndarray
    occurrences: np.ndarray
    papers: np.ndarray

    def pack(self) -> bytes:
        """Returns the arrays as bytes."""
        return pack(self.fingerprints.view(np.uint64), self.occurrences, self.papers)

    @classmethod
    def unpack(cls, packed: bytes) -> NgramCounts:
        """Returns the arrays again."""
        fingerprints, occurrences, papers = (column.astype(np.uint64).view(np.int64) for column in unpack(packed))
        return cls(fingerprints, occurrences, papers)

    @classmethod
    def concatenate(cls, parts: Iterable[NgramCounts]) -> NgramCounts:
        """Puts counts one behind the other."""
        none = np.zeros(0, np.int64)
        return cls(*(np.concatenate(column) for column in zip((none, none, none), *parts, strict=True)))


def count_rows(block: BlockNgrams, chosen: np.ndarray) -> NgramCounts:
    """Counts the n-grams of some of a block's papers.

    Args:
        block: the block.
        chosen: bool [papers].

    Returns:
        The counts of those n-grams that occur in them.
    """
    starts = block.starts[:-1].astype(np.int64)
    if not len(starts):
        return NgramCounts(block.fingerprints, starts, starts)
    of_chosen = chosen[block.rows]
    papers = np.add.reduceat(of_chosen, starts, dtype=np.int64)
    occurrences = np.add.reduceat(block.counts * of_chosen, starts, dtype=np.int64)
    found = papers > 0
    return NgramCounts(block.fingerprints[found], occurrences[found], papers[found])


def partition_counts(counts: NgramCounts, bits: int) -> Iterator[tuple[int, NgramCounts]]:
    """Cuts counts into at most 2**bits partitions by the fingerprints' highest bits.

    Yields:
        Number of the partition, and what falls into it, where something does.
    """
    numbers = counts.fingerprints >> (64 - bits) if bits else np.zeros(len(counts.fingerprints), np.int64)
    bounds = np.append(_run_starts(numbers), len(numbers))
    for begin, end in itertools.pairwise(bounds):
        yield int(numbers[begin]), NgramCounts(*(column[begin:end] for column in counts))


def merge_counts(parts: Iterable[NgramCounts]) -> NgramCounts:
    """Adds up the counts of each n-gram. The result does not depend on how papers were grouped, nor in which order."""
    fingerprints, occurrences, papers = NgramCounts.concatenate(parts)
    order = np.argsort(fingerprints)
    fingerprints = fingerprints[order]
    starts = _run_starts(fingerprints)
    if not len(starts):
        return NgramCounts(fingerprints, occurrences, papers)
    sums = (np.add.reduceat(column[order], starts) for column in (occurrences, papers))
    return NgramCounts(fingerprints[starts], *sums)


def most_frequent(counts: NgramCounts, number: int) -> NgramCounts:
    """Returns the `number` n-grams that occur most often, the most frequent first.

    Of equally frequent ones those come first whose fingerprint, times a constant, is smaller modulo 2**64: an order
    that depends on the n-gram alone, and in which every hash partition has its even share.

    Returns:
        Counts in that order, no longer in the fingerprints'.
    """
    if number < len(counts.occurrences):
        least = np.partition(counts.occurrences, -number)[-number] if number else np.iinfo(np.int64).max
        counts = NgramCounts(*(column[counts.occurrences >= least] for column in counts))
    ties = counts.fingerprints.view(np.uint64) * np.uint64(_TIE_FACTOR)
    order = np.lexsort((ties, -counts.occurrences))[:number]
    return NgramCounts(*(column[order] for column in counts))


class Vocabulary:
    """The n-grams that are kept, and their ids: 0 for the most frequent, and so on.

    Attributes:
        counts: `most_frequent` n-grams; row i is the n-gram of id i.
        fingerprints: int64 [n], ascending.
        ids: int64 [n], in the order of `fingerprints`.
    """

    def __init__(self, counts: NgramCounts) -> None:
        self.counts = counts
        self.ids = np.argsort(counts.fingerprints)
        self.fingerprints = counts.fingerprints[self.ids]

    def find(self, block: BlockNgrams) -> tuple[np.ndarray, np.ndarray]:
        """Finds the vocabulary's n-grams in a block.

        Returns:
            Positions in the block, ascending, and the ids of the n-grams there: int64 [found] each. Two n-grams of
            the block with the same fingerprint are both found.
        """
        if not len(self.fingerprints):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        # Sorted queries make searchsorted fast.
        first = np.searchsorted(block.fingerprints, self.fingerprints)
        lengths = np.searchsorted(block.fingerprints, self.fingerprints, 'right') - first
        return positions_of(first, lengths), np.repeat(self.ids, lengths)


class RowNgrams(NamedTuple):
    """The kept n-grams of some papers, paper by paper.

    Attributes:
        splits: int64 [papers + 1], where each paper's begin and end.
        ids: int64 [pairs], ascending within a paper.
        counts: int64 [pairs].
    """

    splits: np.ndarray
    ids: np.ndarray
    counts: np.ndarray


def row_ngrams(block: BlockNgrams, vocabulary: Vocabulary, rows: np.ndarray) -> RowNgrams:
    """Looks up the n-grams of some of a block's papers.

    Args:
        block: the block.
        vocabulary: the n-grams that are kept.
        rows: int64 [papers]: which papers, each once, in any order.

    Returns:
        Their n-grams, in the order of `rows`.
    """
    positions, ids = vocabulary.find(block)
    begins, ends = (block.starts[positions + step].astype(np.int64) for step in (0, 1))
    lengths = ends - begins
    pairs = positions_of(begins, lengths)
    # A paper without n-grams may lie behind all that have some.
    place = np.full(max(int(block.rows.max(initial=0)), int(rows.max(initial=0))) + 1, -1, np.int64)
    place[rows] = np.arange(len(rows))
    # One sort of keys that hold everything: a block's limits leave room for 2**25 ids.
    counts = block.counts[pairs]
    id_bits, count_bits = (max(int(most), 1).bit_length() for most in (len(vocabulary.ids), counts.max(initial=0)))
    keys = (place[block.rows[pairs]] << id_bits) | np.repeat(ids, lengths)
    keys = np.sort((keys << count_bits) | counts)
    keys = keys[np.searchsorted(keys, 0) :]  # Papers that were not asked for are negative.
    splits = np.searchsorted(keys, np.arange(len(rows) + 1) << (id_bits + count_bits))
    return RowNgrams(splits, (keys >> count_bits) & ((1 << id_bits) - 1), keys & ((1 << count_bits) - 1))
