"""What a byte range is known by in the cache: its bytes and what decides how they are read, nothing else."""

import dataclasses
import gzip
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import inputs, read_blocks
from pipeline.config import InputConfig, NgramConfig, PrepareConfig, SplitConfig
from pipeline.inputs import byte_ranges, find_dumps
from pipeline.read_blocks import RangeEntry, range_key
from schemas.paper import DeadLetter
from tests.helpers import paper_line

ENTRY = RangeEntry(
    [(-5, 'ab' * 32), (1 << 61, 'cd' * 32)],
    [
        DeadLetter('here', 900, 'malformed_json', 'say "é"\n', b'\xff\x00{'),
        DeadLetter('here', 0, 'too_long', 'the record has 9 bytes', b''),
    ],
    [(('read',), 9), (('categories', 'unknown', 'cs.XX\n'), 1)],
)


def test_an_entry_comes_back_with_its_dead_letters_where_the_dump_lies_now():
    found = RangeEntry.from_bytes(ENTRY.to_bytes(), 'there')
    letters = [dataclasses.replace(letter, source='there') for letter in ENTRY.dead_letters]
    assert found == dataclasses.replace(ENTRY, dead_letters=letters)
    assert RangeEntry.from_bytes(RangeEntry([], [], []).to_bytes(), 'x') == RangeEntry([], [], [])


def test_no_byte_of_an_entry_can_change_or_be_missing_unnoticed():
    stored = ENTRY.to_bytes()
    for place in range(len(stored)):
        changed = stored[:place] + bytes([stored[place] ^ 1]) + stored[place + 1 :]
        assert RangeEntry.from_bytes(changed, 'x') is None
        assert RangeEntry.from_bytes(stored[:place], 'x') is None
    assert RangeEntry.from_bytes(stored + b' ', 'x') is None


def config(path, *, ngrams=None, split=None, **read):
    return PrepareConfig(
        input=InputConfig(patterns=(str(path),), **read),
        output_dir='out',
        ngrams=ngrams or NgramConfig(),
        split=split or SplitConfig(),
    )


def keys(path, asked=None, size=1 << 24):
    """The key of each byte range of a file."""
    asked = asked or config(path)
    [dump] = find_dumps(asked.input, labelled=True)
    return [range_key(part, asked) for part in byte_ranges(dump, size)]


@pytest.fixture
def dump(tmp_path):
    path = tmp_path / 'dump.jsonl'
    path.write_bytes(b''.join(paper_line(str(number)) for number in range(5)))
    return path


def test_a_file_that_was_moved_is_known_by_its_bytes(dump, tmp_path):
    before = keys(dump)
    assert before == keys(dump)
    assert before == keys(dump.rename(tmp_path / 'other.json'))


def test_other_bytes_have_another_key(dump):
    before = keys(dump)
    dump.write_bytes(dump.read_bytes().replace(b'Title 3', b'Title 8'))
    assert keys(dump) != before


def test_the_same_papers_compressed_are_other_bytes(dump, tmp_path):
    (tmp_path / 'dump.gz').write_bytes(gzip.compress(dump.read_bytes()))
    assert keys(tmp_path / 'dump.gz') != keys(dump)


@pytest.mark.parametrize(
    'changed',
    [
        {'ngrams': NgramConfig(text='title')},
        {'ngrams': NgramConfig(ngram_max=1)},
        {'max_record_bytes': 2048},
        {'csv_columns': {'title': 'Head'}},
        {'damaged_inputs': 'dead_letter'},
    ],
)
def test_what_changes_the_papers_or_their_ngrams_has_another_key(dump, changed):
    assert keys(dump, config(dump, **changed)) != keys(dump)


@pytest.mark.parametrize(
    'changed',
    [
        {'ngrams': NgramConfig(vocabulary_size=10, weighting='count', min_document_frequency=2)},
        {'ngrams': NgramConfig(max_document_fraction=0.5, sublinear_tf=True)},
        {'split': SplitConfig(seed=7, validation=0.2)},
        {'max_rejected_fraction': 1.0},
    ],
)
def test_what_is_decided_later_has_the_same_key(dump, changed):
    assert keys(dump, config(dump, **changed)) == keys(dump)


def test_another_version_has_another_key(dump, monkeypatch):
    before = keys(dump)
    monkeypatch.setattr(read_blocks, '_VERSIONS', ['arxiv-tagger 999'])
    assert keys(dump) != before


def test_other_columns_of_a_csv_file_have_another_key(tmp_path):
    path = tmp_path / 'dump.csv'
    path.write_text('titles,summaries,other,terms\nT,A,B,cs.LG\n')
    named = [config(path, csv_columns={'abstract': column}) for column in ('summaries', 'other')]
    assert keys(path, named[0]) != keys(path, named[1])


LINES = [b'{"id": "1", "title": "One"}\n', b'\n', b'{"id": "2"}\n', b'{' + b'x' * 40 + b'\n', b'{"id": "3"}']


@given(size=st.integers(1, 120), block=st.integers(1, 50), place=st.integers(0, sum(map(len, LINES)) - 1))
def test_a_range_is_known_by_the_lines_that_begin_in_it_and_the_byte_before_it(size, block, place, tmp_path_factory):
    path = tmp_path_factory.mktemp('range') / 'dump.jsonl'
    content = b''.join(LINES)
    path.write_bytes(content)
    starts = [0, *itertools.accumulate(map(len, LINES))]
    with pytest.MonkeyPatch.context() as patched:
        # Small blocks, so that ranges and their last lines end in all places of blocks.
        patched.setattr(
            read_blocks, 'stored_blocks', lambda path, start: inputs.stored_blocks(path, start, block_bytes=block)
        )
        before = keys(path, size=size)
        path.write_bytes(content[:place] + b'#' + content[place + 1 :])
        after = keys(path, size=size)
    for number, start in enumerate(range(0, len(content), size)):
        end = min(start + size, len(content))
        # The end of the line that holds the range's last byte.
        last = min(bound for bound in starts if bound >= end)
        if content[place] != b'\n'[0]:
            assert (before[number] != after[number]) == (max(start - 1, 0) <= place < last)
        elif max(start - 1, 0) <= place < end:
            assert before[number] != after[number]


def test_a_dump_that_was_appended_to_keeps_the_keys_of_its_first_ranges(tmp_path):
    path = tmp_path / 'dump.jsonl'
    path.write_bytes(b''.join(paper_line(f'{number:03d}') for number in range(20)))
    before = keys(path, size=500)
    with path.open('ab') as file:
        file.write(paper_line('new'))
    after = keys(path, size=500)
    assert len(before) > 3
    assert after[: len(before) - 1] == before[:-1]
    assert after[len(before) - 1] != before[-1]


def test_the_stored_form_of_an_entry_is_a_digest_and_json():
    digest, content = RangeEntry([(1, 'ab')], [], [(('read',), 2)]).to_bytes().split(b'\n')
    assert len(digest) == 64
    assert json.loads(content) == {'blocks': [[1, 'ab']], 'dead_letters': [], 'tallies': [[['read'], 2]]}
