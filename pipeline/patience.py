"""Keeps a job that runs on going through what is transient: a full disk, a share that is away for a while."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from apache_beam.metrics import Metrics

_SHORTEST_SECONDS, _LONGEST_SECONDS, _REMIND_SECONDS = 0.5, 30.0, 600.0

_T = TypeVar('_T')
_troubles: set[str] = set()
_lock = threading.Lock()


def say(text: str) -> None:
    """Writes one line to standard error, if that can be written: the log may be on the disk that is full."""
    with contextlib.suppress(OSError):
        print(f'arxiv-tagger: {text}', file=sys.stderr, flush=True)


def trouble(place: str, text: str) -> None:
    """Says what is wrong with a place, once until it is `well` again."""
    with _lock:
        known = place in _troubles
        _troubles.add(place)
    if not known:
        say(text)


def well(place: str) -> None:
    """Notes that a place is in order; says so if there was trouble with it."""
    with _lock:
        known = place in _troubles
        _troubles.discard(place)
    if known:
        say(f'{place} is back in order.')


def describe(error: OSError) -> str:
    """Returns what the operating system said, and of which file."""
    text = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
    return f'{text} ({error.filename})' if error.filename else text


def until_it_works(place: str, action: Callable[[], _T], sleep: Callable[[float], None] = time.sleep) -> _T:
    """Calls `action` until it raises no OSError, and returns what it does.

    The first failure is one line on standard error, and then one every ten minutes. Counter: publish/retries.

    Args:
        place: the folder that is written to, for the line.
        action: may be called again after it failed half-way.
        sleep: waits that many seconds; between two calls half a second at first, half a minute at most.
    """
    delay, waited = _SHORTEST_SECONDS, 0.0
    while True:
        try:
            result = action()
        except OSError as error:
            if waited >= _REMIND_SECONDS:
                _troubles.discard(place)
                waited = 0.0
            trouble(
                place,
                f'Cannot write to {place}: {describe(error)}. Nothing is lost: the job tries until it works.',
            )
            Metrics.counter('publish', 'retries').inc()
            sleep(delay)
            waited += delay
            delay = min(2 * delay, _LONGEST_SECONDS)
        else:
            well(place)
            return result
