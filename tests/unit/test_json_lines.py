"""Each line of a JSON Lines dump is a record or a dead letter, whatever stands on the lines around it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.compression import DamagedFile
from pipeline.readers.format import ByteRange, ReadOptions
from pipeline.readers.json_lines import FORMAT
from schemas.paper import DeadLetter, Record
from tests.helpers import read, recognised, split_letters

SNAPSHOT = {
    'id': '0704.0001',
    'submitter': 'Pavel Nadolsky',
    'title': 'Calculation of $\\gamma\\gamma \\to \\sqrt{x^2}$ in Schrödinger’s "frame"',
    'abstract': '  A line.\nAnother line with 日本語 and \\"o.\n',
    'categories': 'hep-ph cs.LG',
    'update_date': '2008-11-26',
    'versions': [{'version': 'v1', 'created': 'Mon, 2 Apr 2007'}],
}
FOUND = {
    'id': '0704.0001',
    'title': SNAPSHOT['title'],
    'abstract': SNAPSHOT['abstract'],
    'categories': 'hep-ph cs.LG',
    'updated': '2008-11-26',
}


def line(**fields):
    return json.dumps(SNAPSHOT | fields, ensure_ascii=False).encode()


def reasons(content, **options):
    """(position, reason) of each dead letter."""
    return [(letter.position, letter.reason) for letter in split_letters(read(content, **options))[1]]


def test_a_line_of_the_kaggle_snapshot_is_a_record():
    assert read(line() + b'\n') == [Record('dump', 0, line(), FOUND)]


@pytest.mark.parametrize('ascii_only', [True, False])
def test_escaped_and_plain_text_are_the_same(ascii_only):
    content = json.dumps(SNAPSHOT, ensure_ascii=ascii_only).encode()
    assert split_letters(read(content)) == ([FOUND], [])


def test_a_byte_order_mark_carriage_returns_blank_lines_and_a_missing_last_line_feed_do_no_harm():
    content = b'\xef\xbb\xbf' + line() + b'\r\n\r\n   \n' + line(id='0704.0002')
    assert [(record.position, record.fields['id']) for record in read(content)] == [
        (0, '0704.0001'),
        (len(line()) + 11, '0704.0002'),
    ]


def test_categories_may_be_a_list_with_codes_among_them():
    [fields], _ = split_letters(read(line(categories=['cs.LG', '68T05, 68T07 (Primary)'])))
    assert fields['categories'] == ['cs.LG', '68T05, 68T07 (Primary)']


@pytest.mark.parametrize('name', ['update_date', 'updated', 'harvested'])
def test_the_day_of_the_last_change_goes_by_several_names(name):
    fields = {key: value for key, value in SNAPSHOT.items() if key != 'update_date'} | {name: '2019-01-01'}
    assert split_letters(read(json.dumps(fields).encode()))[0][0]['updated'] == '2019-01-01'


def test_a_field_that_is_not_there_or_null_is_none():
    [fields], _ = split_letters(read(b'{"title": null, "x": 1}'))
    assert fields == {'id': None, 'title': None, 'abstract': None, 'categories': None, 'updated': None}


@pytest.mark.parametrize(
    ('bad', 'reason', 'message'),
    [
        (b'{"id": "1", "title"', 'malformed_json', "Expecting ':' delimiter: line 1 column 20 (char 19)"),
        (b'[1, 2]', 'malformed_json', 'the line is no JSON object'),
        (b'"text"', 'malformed_json', 'the line is no JSON object'),
        (b'null', 'malformed_json', 'the line is no JSON object'),
        (b'{} {}', 'malformed_json', 'Extra data: line 1 column 4 (char 3)'),
        (b'{"a": "\t"}', 'malformed_json', 'Invalid control character at: line 1 column 8 (char 7)'),
        (b'{"title": "caf\xe9"}', 'invalid_encoding', 'not UTF-8 at byte 14 of the record'),
        (b'{"title": "\xed\xa0\x80"}', 'invalid_encoding', 'not UTF-8 at byte 11 of the record'),
    ],
)
def test_a_bad_line_costs_only_itself(bad, reason, message):
    content = line() + b'\n' + bad + b'\n' + line(id='0704.0002') + b'\n'
    before, letter, behind = read(content)
    assert (before.fields['id'], behind.fields['id']) == ('0704.0001', '0704.0002')
    assert letter == DeadLetter('dump', len(line()) + 1, reason, message, bad)


@pytest.mark.parametrize('bad', [b'[' * 100_000, b'{"a":' * 100_000, b'{"id": ' + b'9' * 10_000 + b'}'])
def test_deep_nesting_and_endless_numbers_are_malformed(bad):
    content = line() + b'\n' + bad + b'\n' + line()
    assert reasons(content) == [(len(line()) + 1, 'malformed_json')]
    assert len(read(content)) == 3


def test_a_line_of_up_to_the_limit_is_read_and_a_longer_one_rejected_with_its_first_bytes():
    exact = line(abstract='x' * 2000)
    limit = len(exact)
    assert reasons(exact + b'\n', max_record_bytes=limit) == []
    longer = line(abstract='x' * 9001)
    letter, record = read(longer + b'\n' + line(), max_record_bytes=limit)
    message = f'the record has {len(longer)} bytes'
    assert letter == DeadLetter('dump', 0, 'too_long', message, longer[:limit])
    assert record.fields == FOUND


def test_a_file_that_is_damaged_gives_what_is_readable_and_one_dead_letter():
    def blocks():
        yield line() + b'\n' + line(id='0704.0002')[:20]
        raise DamagedFile('it is cut off')

    record, letter = FORMAT.read(ByteRange(recognised(line()), 0, None), blocks(), ReadOptions())
    assert record.fields == FOUND
    assert letter == DeadLetter('dump', len(line()) + 1, 'damaged_file', 'it is cut off', b'')


TEXT = st.text(st.characters(codec='utf-8'), max_size=12)
PAPERS = st.fixed_dictionaries(
    {'id': TEXT, 'title': TEXT, 'abstract': TEXT, 'categories': TEXT | st.lists(TEXT, max_size=3), 'updated': TEXT}
)


@given(papers=st.lists(PAPERS, min_size=1), ascii_only=st.booleans(), end=st.sampled_from(['\n', '\r\n']))
def test_papers_that_json_wrote_come_back_exactly(papers, ascii_only, end):
    content = ''.join(json.dumps(paper, ensure_ascii=ascii_only) + end for paper in papers).encode()
    assert split_letters(read(content, block=7)) == (papers, [])


LINES = st.lists(
    st.sampled_from([b'', b'\r', b'{"id": "1"}', b'{"title": "\xe9"}', b'broken', line(), b'{"x": "' + b'y' * 2000]),
    min_size=1,
    max_size=12,
)


@given(lines=LINES, size=st.integers(1, 3000), end=st.sampled_from([b'', b'\n']))
def test_byte_ranges_of_any_size_hold_together_each_record_once(lines, size, end):
    # A first line tells the format, whatever the others are.
    content = b'{"id": "0"}\n' * (len(lines) + 1) + b'\n'.join(lines) + end
    whole = read(content, max_record_bytes=1024)
    ranges = [(start, start + size) for start in range(0, len(content), size)]
    parts = [read(content, start, end, max_record_bytes=1024) for start, end in ranges]
    assert [outcome for part in parts for outcome in part] == whole
    for (low, high), part in zip(ranges, parts, strict=True):
        assert all(low <= outcome.position < high for outcome in part)


@pytest.mark.parametrize(
    'content',
    [
        line(),
        b'\n\n  ' + line(),
        b'\xef\xbb\xbf' + line(),
        b'{"id": "0704.0001", "title": "It ends in the mid',
        b'broken, with a comma\n' + line(),
        b'{\n' + line(),
        b'null\n' + line() + b'\n' + line(),
    ],
)
def test_a_file_whose_lines_mostly_begin_like_objects_is_json_lines_even_if_the_first_is_broken(content):
    dump = recognised(content, path='papers.csv')
    assert (dump.format, dump.path, dump.size) == ('json_lines', 'papers.csv', len(content))


@pytest.mark.parametrize(
    'content',
    [
        b'[' + line() + b', ' + line() + b']',
        b'[\n' + line() + b',\n' + line() + b'\n]\n',
        json.dumps([SNAPSHOT], indent=2).encode(),
        json.dumps(SNAPSHOT, indent=2).encode(),
        line().decode().encode('utf-16'),
        line().decode().encode('utf-16-le'),
        (line() + b'\n' + line()).decode().encode('utf-32'),
        b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR,\0,\0',
        b'PK\x03\x04,,a,b',
        bytes(range(256)) * 9,
        b'<html>,<body>',
        b'Just words.\nAnd more of them.\n',
        b'{id: 1}\n{id: 2}\n',
    ],
)
def test_json_arrays_other_encodings_binary_files_and_plain_text_are_of_no_known_format(content):
    assert recognised(content) is None
