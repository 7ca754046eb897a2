"""A paper, what makes one valid, and what becomes of a record that is none."""

from __future__ import annotations

import base64
import dataclasses
import enum
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from schemas.arxiv_ids import parse_id
from schemas.taxonomy import CanonicalCategories, canonical_categories

# The fields that a reader finds in a record; each format maps its own names to these.
FIELDS = ('id', 'title', 'abstract', 'categories', 'updated')

_DATE = re.compile(r'\d{4}-\d{2}-\d{2}', re.ASCII)


class Reason(enum.StrEnum):
    """Why a record was rejected. The codes are published: they may grow in number, never change."""

    MALFORMED_JSON = 'malformed_json'
    MALFORMED_CSV = 'malformed_csv'
    MALFORMED_XML = 'malformed_xml'
    MALFORMED_FIELD = 'malformed_field'
    MALFORMED_ID = 'malformed_id'
    MALFORMED_CATEGORIES = 'malformed_categories'
    MISSING_TITLE = 'missing_title'
    MISSING_ABSTRACT = 'missing_abstract'
    NO_KNOWN_CATEGORY = 'no_known_category'
    INVALID_ENCODING = 'invalid_encoding'
    TOO_LONG = 'too_long'
    DELETED_RECORD = 'deleted_record'
    ERROR_RESPONSE = 'error_response'
    UNKNOWN_FORMAT = 'unknown_format'
    DAMAGED_FILE = 'damaged_file'
    MODEL_FAILED = 'model_failed'


@dataclasses.dataclass(frozen=True, slots=True)
class Paper:
    """A valid paper.

    Attributes:
        id: as the repository names it, without a version; 'sha256:' and a hash of the content where it has none.
        title: on one line.
        abstract: as found, without surrounding white space.
        labels: canonical categories, sorted. Empty only where labels were not asked for.
        updated: the day of its last change, 'YYYY-MM-DD', or '' if unknown.
        version: the version that its id named, or 0.
    """

    id: str
    title: str
    abstract: str
    labels: tuple[str, ...] = ()
    updated: str = ''
    version: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot be used.

    Attributes:
        source: path of the file.
        position: offset of the record's first byte in the file, counted after decompression.
        reason: a stable code.
        message: what is wrong, for people.
        raw: the record's bytes, or the first of them where it is too long.
    """

    source: str
    position: int
    reason: str
    message: str
    raw: bytes

    def to_json(self) -> dict[str, Any]:
        """Returns the published form: `raw` as text if it is UTF-8, else in Base64, as `raw_encoding` says."""
        try:
            raw, encoding = self.raw.decode(), 'utf-8'
        except UnicodeDecodeError:
            raw, encoding = base64.b64encode(self.raw).decode('ascii'), 'base64'
        return {
            'source': self.source,
            'position': self.position,
            'reason': self.reason,
            'message': self.message,
            'raw': raw,
            'raw_encoding': encoding,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A record as a reader found it: a mapping with (some of) `FIELDS`, of whatever types the file had."""

    source: str
    position: int
    raw: bytes
    fields: Mapping[str, Any]

    def dead_letter(self, rejection: RejectedRecord) -> DeadLetter:
        """Returns the dead letter that stands for this record."""
        return DeadLetter(self.source, self.position, rejection.reason, str(rejection), self.raw)


class RejectedRecord(ValueError):  # noqa: N818 - named for what it is, not for what went wrong in the program
    """A record is no valid paper. `reason` is one of `Reason`."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = str(reason)


def parse_paper(fields: Mapping[str, Any], *, labelled: bool | None) -> tuple[Paper, CanonicalCategories]:
    r"""Makes a valid paper of a record's fields.

    >>> parse_paper({'id': '0704.0001v2', 'title': 'A\n  title', 'abstract': ' Text. ', 'categories': 'hep-ph cs.NA'},
    ...             labelled=True)[0]
    Paper(id='0704.0001', title='A title', abstract='Text.', labels=('hep-ph', 'math.NA'), updated='', version=2)

    Args:
        fields: any of `FIELDS`; `categories` is a string of names separated by blanks, or a list of names.
        labelled: whether a paper needs a known category to be valid; if not, its categories are not looked at. None:
            they are taken where they are valid.

    Returns:
        The paper, and what its category strings meant.

    Raises:
        RejectedRecord: if the record is no valid paper.
    """
    title = ' '.join(_text(fields, 'title', Reason.MISSING_TITLE).split())
    abstract = _text(fields, 'abstract', Reason.MISSING_ABSTRACT)
    # What is not asked for cannot be wrong.
    categories = canonical_categories(_wanted_names(fields.get('categories'), labelled))
    if labelled and not categories.labels:
        found = ', '.join([*categories.unknown, *categories.msc, *categories.acm][:5])
        raise RejectedRecord(
            Reason.NO_KNOWN_CATEGORY, f'no category of arXiv is among its categories ({found or "it has none"})'
        )
    id_, version = _identity(fields.get('id'), title, abstract)
    updated = fields.get('updated')
    day = _DATE.match(updated) if isinstance(updated, str) else None
    return Paper(id_, title, abstract, categories.labels, day.group() if day else '', version), categories


def _text(fields: Mapping[str, Any], name: str, missing: Reason) -> str:
    value = fields.get(name)
    if value is None or value == '':
        raise RejectedRecord(missing, f'the record has no {name}')
    if not isinstance(value, str):
        raise RejectedRecord(Reason.MALFORMED_FIELD, f'{name} is {_kind(value)}, not a string')
    _check_encoding(name, value)
    text = value.strip()
    if not text:
        raise RejectedRecord(missing, f'{name} holds nothing but white space')
    return text


def _wanted_names(categories: Any, labelled: bool | None) -> list[str]:
    try:
        return _category_names(categories) if labelled is not False else []
    except RejectedRecord:
        if labelled:
            raise
        return []


def _category_names(categories: Any) -> list[str]:
    if categories is None:
        return []
    if isinstance(categories, str):
        _check_encoding('categories', categories)
        return categories.split()
    if isinstance(categories, list | tuple) and all(isinstance(name, str) for name in categories):
        _check_encoding('categories', ' '.join(categories))
        return list(categories)
    raise RejectedRecord(
        Reason.MALFORMED_CATEGORIES, f'categories are {_kind(categories)}, not a string or a list of strings'
    )


def _identity(value: Any, title: str, abstract: str) -> tuple[str, int]:
    if value is None or (isinstance(value, str) and not value.strip()):
        digest = hashlib.sha256(f'{title}\0{abstract}'.encode()).hexdigest()
        return f'sha256:{digest[:24]}', 0
    if not isinstance(value, str | float):
        raise RejectedRecord(Reason.MALFORMED_FIELD, f'id is {_kind(value)}, not a string')
    text = str(value)
    _check_encoding('id', text)
    try:
        return parse_id(text)
    except ValueError as error:
        raise RejectedRecord(Reason.MALFORMED_ID, str(error)) from error


def _check_encoding(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RejectedRecord(Reason.INVALID_ENCODING, f'half of a surrogate pair in {name}') from error


def _kind(value: Any) -> str:
    names = {
        bool: 'a truth value',
        int: 'a number',
        float: 'a number',
        list: 'a list',
        tuple: 'a list',
        dict: 'an object',
    }
    return names.get(type(value), f'a {type(value).__name__}')
