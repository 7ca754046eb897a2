"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

_SPACE = '\u00a0'


def count(number: float) -> str:
    """Writes a number of things.

    >>> count(545282), count(2.4)
    ('545,282', '2')
    """
    return f'{number:,.0f}'


def percent(share: float | None) -> str:
    """Writes a share, with as many digits as say something.

    >>> [percent(share).replace(chr(0xa0), ' ') for share in (1, .914, .0526, .0004, 0, None)]
    ['100 %', '91 %', '5.3 %', '<0.1 %', '0 %', '\u2013']
    """
    if share is None:
        return '–'
    if 0 < share < 0.0005:
        return f'<0.1{_SPACE}%'
    if 0.9995 > share > 0.99:
        return f'{share:.1%}'.replace('%', f'{_SPACE}%')
    digits = 0 if share >= 0.0995 or share == 0 else 1
    return f'{100 * share:.{digits}f}{_SPACE}%'


def of(number: float, whole: float) -> str:
    """Writes which share of the whole a number is."""
    return percent(number / whole if whole else None)


def figure(value: float | None, digits: int = 3) -> str:
    """Writes a figure between 0 and 1, or that there is none.

    >>> figure(.68765), figure(None)
    ('0.688', '–')
    """
    return '–' if value is None else f'{value:.{digits}f}'


def plural(number: float, thing: str, things: str | None = None) -> str:
    """Writes a number of things with the right word.

    >>> plural(1, 'paper'), plural(4572, 'paper')
    ('1 paper', '4,572 papers')
    """
    return f'{count(number)} {thing if number == 1 else things or thing + "s"}'


def listed(things: Sequence[str]) -> str:
    """Writes things as a sentence lists them.

    >>> listed(['a']), listed(['a', 'b', 'c'])
    ('a', 'a, b and c')
    """
    return ' and '.join(filter(None, [', '.join(things[:-1]), *things[-1:]]))


def short(number: float) -> str:
    """Writes a number for an axis.

    >>> short(150000), short(1500), short(2500000), short(30), short(0.5)
    ('150k', '1.5k', '2.5M', '30', '0.5')
    """
    for size, letter in ((1e6, 'M'), (1e3, 'k')):
        if abs(number) >= size:
            return f'{number / size:g}{letter}'
    return f'{number:g}'


def excerpt(text: str, length: int) -> str:
    """Cuts a text that is longer.

    >>> excerpt('abcdef', 4), excerpt('abcd', 4)
    ('abc…', 'abcd')
    """
    return text if len(text) <= length else text[: length - 1] + '…'


def cell(value: str, digits: int) -> str:
    """Writes a figure as a table that was published has it; an empty one is not defined.

    >>> cell('1670', 0), cell('.330667', 3), cell('', 3)
    ('1,670', '0.331', '–')
    """
    return f'{float(value):,.{digits}f}' if value else '–'
