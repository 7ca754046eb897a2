"""Tells the C library's allocator how to deal with arrays of some megabytes, which come and go by the thousand.

By default glibc asks the system anew for many of them, which then fills each page with zeros; and what threads have
freed it keeps. Elsewhere than with glibc nothing happens.
"""

from __future__ import annotations

import ctypes
import functools

# Numbers of mallopt's parameters, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# The largest that glibc takes for the second.
_ARRAY_BYTES = 32 << 20
_KEPT_BYTES = 256 << 20


def set_up() -> None:
    """Lets this process keep what it frees for a while, in few places. For when it begins, before it has threads."""
    if libc := _libc():
        libc.mallopt(_MMAP_THRESHOLD, _ARRAY_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_ARENA_MAX, 2)


def give_back() -> None:
    """Gives the system what was freed. For when a stage is done and the next one needs something else."""
    if libc := _libc():
        libc.malloc_trim(0)


@functools.cache
def _libc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, 'mallopt') and hasattr(libc, 'malloc_trim') else None
