"""Becomes a program that ends when the process that started it ends: `python tied.py PROGRAM ARGUMENT...`.

Ctrl-C, which reaches all processes of a terminal, does not reach it. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def become(program: str, *arguments: str) -> None:
    """Replaces this process; returns only by an OSError, if the program cannot be started."""
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execv(program, [program, *arguments])


if __name__ == '__main__':
    become(*sys.argv[1:])
