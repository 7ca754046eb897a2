"""arXiv's identifiers, and what is left of them where a program took them for numbers."""

from __future__ import annotations

import decimal
import re

_ID = re.compile(
    r'(?:arxiv:|oai:arxiv\.org:|https?://(?:[a-z]+\.)?arxiv\.org/abs/)?'
    r'(?P<id>\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(?P<version>\d{1,9}))?',
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r'(?P<month>\d{1,4})\.\d{1,20}', re.ASCII)

# Numbers within a month have four digits until the end of 2014, and five from then on.
_FIRST_MONTH, _FIRST_MONTH_OF_FIVE_DIGITS = 704, 1501

# A double near 2,000 is right to 13 places.
_ROUNDING = decimal.Decimal('1e-9')


def parse_id(text: str) -> tuple[str, int]:
    """Splits an identifier into the id proper and the version, 0 if it names none.

    An id that was read as a number has lost a zero in front or zeros behind, or gained rounding errors. A month has ids
    of one length, so that a number is one id's alone: that one is given back. Other repositories' ids stay as they are.

    >>> parse_id('arXiv:0704.0001v2'), parse_id('hep-th/9901001'), parse_id('10.5281/zenodo.1')
    (('0704.0001', 2), ('hep-th/9901001', 0), ('10.5281/zenodo.1', 0))
    >>> parse_id('704.001'), parse_id('1709.0768699999999'), parse_id('1709.0769')
    (('0704.0010', 0), ('1709.07687', 0), ('1709.07690', 0))

    Raises:
        ValueError: if it is a number that no id of arXiv can have become.
    """
    text = text.strip()
    match = _ID.fullmatch(text)
    number = _NUMBER.fullmatch(text if match is None else match['id'])
    if number is None or (match and len(match['id']) == _length(int(number['month']))):
        return (match['id'], int(match['version'] or 0)) if match else (text, 0)
    if match and not _is_month(int(number['month'])):
        return match['id'], int(match['version'] or 0)
    return _restored(number), int(match['version'] or 0) if match else 0


def _restored(number: re.Match[str]) -> str:
    month = int(number['month'])
    digits = _length(month) - 5
    value = decimal.Decimal(number.group()).quantize(decimal.Decimal(1).scaleb(-digits))
    if not _is_month(month) or abs(value - decimal.Decimal(number.group())) > _ROUNDING or value == month:
        raise ValueError(
            f'id {number.group()} is a number, and none that an id of arXiv becomes when it is read as one'
        )
    return f'{value:0{5 + digits}f}'


def _length(month: int) -> int:
    return 10 if month >= _FIRST_MONTH_OF_FIVE_DIGITS else 9


def _is_month(month: int) -> bool:
    return month >= _FIRST_MONTH and 1 <= month % 100 <= 12
