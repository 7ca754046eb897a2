"""Looks up Beam flags as they were typed, without Beam, which takes seconds to import."""

from __future__ import annotations

from collections.abc import Sequence


def value_of(flags: Sequence[str], name: str) -> str | None:
    """Returns the value of a flag, the last one if it was typed twice; None if it was not typed.

    >>> value_of(['--region=x', '--region', 'y'], '--region'), value_of([], '--region')
    ('y', None)

    Args:
        flags: as typed, `--name=value` or `--name value`.
        name: with its dashes.
    """
    value = None
    for at, word in enumerate(flags):
        if word.startswith(f'{name}='):
            value = word.partition('=')[2]
        elif word == name and at + 1 < len(flags) and not flags[at + 1].startswith('--'):
            value = flags[at + 1]
    return value


def without(flags: Sequence[str], name: str) -> list[str]:
    """Returns the flags without one of them.

    >>> without(['--runner', 'flink', '--region=x', '--runner=flink'], '--runner')
    ['--region=x']
    """
    left: list[str] = []
    dropping = False
    for word in flags:
        if word.startswith('--'):
            dropping = word.partition('=')[0] == name
            if dropping:
                dropping = '=' not in word
                continue
        elif dropping:
            dropping = False
            continue
        left.append(word)
    return left
