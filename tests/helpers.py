"""What the tests of schemas and pipeline share: papers, readings, and Hypothesis strategies."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Callable

import jsonschema
from hypothesis import strategies as st

from pipeline.readers import FORMATS, Dump, format_named
from pipeline.readers.format import BYTE_ORDER_MARK, ByteRange, ReadOptions
from schemas.paper import DeadLetter, Paper

# The flags that each command cannot do without.
COMMANDS = {
    'prepare': ('--input', 'in', '--output_dir', 'out'),
    'train': ('--data_dir', 'data', '--model_dir', 'model'),
    'evaluate': ('--input', 'in', '--model_dir', 'model'),
    'score': ('--input', 'in', '--model_dir', 'model', '--output_dir', 'out'),
    'drift': ('--input', 'in', '--model_dir', 'model'),
}

# Ids that repositories other than arXiv may have.
ODD_IDS = ['two\nlines', 'blanks  and\ttabs', 'Schrödinger', '日本語', 'x' * 300, '0704.0001', '"', ',']

SCHEMAS = pathlib.Path(__file__).resolve().parent.parent / 'schemas'


def validate(value, schema):
    """Checks a value against schemas/`schema`.schema.json."""
    jsonschema.validate(
        value,
        json.loads((SCHEMAS / f'{schema}.schema.json').read_text('utf-8')),
        cls=jsonschema.Draft202012Validator,
    )


def paper(id_, labels='cs.LG', title=None, abstract='Text.', updated='', version=0):
    """A paper with blank-separated labels, whose title is its own."""
    return Paper(id_, title or f'Title {id_}', abstract, tuple(labels.split()), updated, version)


def paper_line(id_, **fields):
    """A paper as a line of the Kaggle snapshot."""
    record = {'id': id_, 'title': f'Title {id_}', 'abstract': 'Text.', 'categories': 'cs.LG'} | fields
    return json.dumps(record).encode() + b'\n'


def recognised(content, path='dump', **options):
    """The Dump that a file of this content is, or None if it is of no known format."""
    dump, head = Dump(path, len(content)), content.removeprefix(BYTE_ORDER_MARK)
    found = (format_.recognise(dump, head, ReadOptions(**options)) for format_ in FORMATS)
    return next((dump for dump in found if dump), None)


def read(content, start=0, end=None, block=1 << 18, **options):
    """The records and dead letters of a byte range of a file of this content, as the format's reader gives them."""
    dump = recognised(content, **options)
    tail = content[max(start - 1, 0) :]
    blocks = (tail[at : at + block] for at in range(0, len(tail), block))
    return list(format_named(dump.format).read(ByteRange(dump, start, end), blocks, ReadOptions(**options)))


def split_letters(outcomes):
    """(records' fields, dead letters) of a reading."""
    letters = [outcome for outcome in outcomes if isinstance(outcome, DeadLetter)]
    return [outcome.fields for outcome in outcomes if not isinstance(outcome, DeadLetter)], letters


@st.composite
def cut_into_blocks(draw, content):
    """Blocks, empty ones among them, that make up the content."""
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=8)))
    return [content[low:high] for low, high in zip([0, *cuts], [*cuts, len(content)], strict=True)]


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    """Waits until a condition holds; fails if it does not in that time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, 'waited in vain'
        time.sleep(0.02)
