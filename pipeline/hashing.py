"""Keyed hashes: where chance is wanted, the same one every time and on every runner."""

from __future__ import annotations

import hashlib

HASH_BITS = 62


def keyed_hash(text: str, key: str) -> int:
    """Returns an integer below 2**62, uniform and independent for each key.

    >>> keyed_hash('0704.0001', 'split 0') == keyed_hash('0704.0001', 'split 0') != keyed_hash('0704.0001', 'split 1')
    True

    Args:
        text: what is hashed.
        key: at most 64 bytes of UTF-8: the purpose, and a seed where there is one.
    """
    # Two bits short of eight bytes: it fits a signed integer, and so does a bound above every hash.
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=key.encode()).digest(), 'big') >> 2
