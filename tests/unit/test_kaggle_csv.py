"""Each record of a CSV dump is read or becomes a dead letter, and a broken one costs none of those behind it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.compression import DamagedFile
from pipeline.readers.format import ByteRange, ReadOptions
from pipeline.readers.kaggle_csv import FORMAT, parse_terms
from schemas.errors import JobError
from schemas.paper import DeadLetter, Record, RejectedRecord
from tests.helpers import read, recognised, split_letters

HEADER = b'titles,summaries,terms\n'
GOOD = b"One,Text one.,\"['cs.LG', 'stat.ML']\"\n"
GOOD_FIELDS = {'title': 'One', 'abstract': 'Text one.', 'categories': ['cs.LG', 'stat.ML']}


def written(rows, **dialect):
    """The rows as csv writes them, in UTF-8."""
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue().encode()


def test_a_row_of_the_kaggle_set_is_a_record():
    assert read(HEADER + GOOD) == [Record('dump', len(HEADER), GOOD.removesuffix(b'\n'), GOOD_FIELDS)]


def test_quoted_fields_keep_line_feeds_commas_quotes_latex_and_non_ascii_text():
    row = (
        '"On $\\alpha$-, ""beta""-\nand γ-decay","\\begin{align}\n\n  x &= \\""o\\\\\n\\end{align} 日本語 🎉",'
        '"[\'math.AP\']"\n'
    ).encode()
    [record] = read(HEADER + row)
    assert record.fields == {
        'title': 'On $\\alpha$-, "beta"-\nand γ-decay',
        'abstract': '\\begin{align}\n\n  x &= \\"o\\\\\n\\end{align} 日本語 🎉',
        'categories': ['math.AP'],
    }
    assert (record.position, record.raw) == (len(HEADER), row.removesuffix(b'\n'))


def test_a_byte_order_mark_carriage_returns_blank_lines_and_a_missing_last_line_feed_do_no_harm():
    content = b'\xef\xbb\xbf' + HEADER + b'\n' + GOOD + b'\n\n' + GOOD.removesuffix(b'\n')
    content = content.replace(b'\n', b'\r\n')
    first, second = read(content)
    assert first.fields == second.fields == GOOD_FIELDS
    assert content[first.position :].startswith(b'One,')
    assert content[second.position :] == second.raw == GOOD.removesuffix(b'\n')


def test_the_header_may_stand_below_blank_lines():
    assert split_letters(read(b'\r\n\n' + HEADER + GOOD)) == ([GOOD_FIELDS], [])


@pytest.mark.parametrize(
    ('bad', 'reason', 'message', 'raw'),
    [
        (b'caf\xe9,Text.,[]', 'invalid_encoding', 'title is not UTF-8', b'caf\xe9,Text.,[]'),
        (b'T,"a\n\xff\nb",[]', 'invalid_encoding', 'abstract is not UTF-8', b'T,"a\n\xff\nb",[]'),
        (b'T,"\xed\xa0\x80",[]', 'invalid_encoding', 'abstract is not UTF-8', b'T,"\xed\xa0\x80",[]'),
        (b'T,Text.', 'malformed_csv', 'the record has 2 columns, the header 3', b'T,Text.'),
        (b'T,Text, more,[]', 'malformed_csv', 'the record has 4 columns, the header 3', b'T,Text, more,[]'),
        (b'T,"Text" more,[]', 'malformed_csv', "',' expected after '\"'", b'T,"Text" more,[]'),
        (b'T,Text,"[3]"', 'malformed_categories', 'the categories are no list of strings: [3]', b'T,Text,"[3]"'),
        (b'T,Text,[cs.LG', 'malformed_categories', 'the categories are no list literal: [cs.LG', b'T,Text,[cs.LG'),
    ],
)
def test_a_bad_record_costs_only_itself(bad, reason, message, raw):
    before, letter, behind = read(HEADER + GOOD + bad + b'\n' + GOOD)
    assert before.fields == behind.fields == GOOD_FIELDS
    assert letter == DeadLetter('dump', len(HEADER + GOOD), reason, message, raw)


@pytest.mark.parametrize('rows_behind', [0, 1, 2, 50])
def test_an_unclosed_quote_costs_its_line_and_none_behind_it(rows_behind):
    bad = b'T,"It never ends,[]'
    records, letters = split_letters(read(HEADER + GOOD + bad + b'\n' + GOOD * rows_behind))
    assert records == [GOOD_FIELDS] * (1 + rows_behind)
    assert [(letter.position, letter.reason, letter.raw) for letter in letters] == [
        (len(HEADER + GOOD), 'malformed_csv', bad)
    ]


def test_an_unclosed_quote_in_a_large_file_is_given_up_at_the_limit():
    plain = b'T,Text without a quote,cs.LG\n'
    records, letters = split_letters(read(HEADER + b'T,"open,[]\n' + plain * 100, max_record_bytes=1024))
    assert len(records) == 100
    assert [(letter.reason, letter.raw) for letter in letters] == [('too_long', b'T,"open,[]')]


def test_of_many_unclosed_quotes_each_costs_its_own_line():
    bad, good = b'T,"open,[]\n', b'T,Text,cs.LG\n'
    records, letters = split_letters(read(HEADER + (bad + good) * 500, max_record_bytes=2048))
    assert len(records) == 500
    assert [letter.position for letter in letters] == [len(HEADER) + len(bad + good) * row for row in range(500)]


def test_a_record_of_up_to_the_limit_is_read_and_a_longer_one_rejected_with_its_first_bytes():
    exact = b'T,"' + b'x' * 1000 + b'\n' + b'y' * 500 + b'",cs.LG'
    content = HEADER + exact + b'\n' + GOOD
    assert [record.raw for record in read(content, max_record_bytes=len(exact))] == [exact, GOOD.removesuffix(b'\n')]
    one_line = b'T,' + b'x' * 5000 + b',cs.LG'
    letter, behind = read(HEADER + one_line + b'\n' + GOOD, max_record_bytes=1024)
    assert letter == DeadLetter('dump', len(HEADER), 'too_long', 'the record has more than 1024 bytes', one_line[:1024])
    assert behind.fields == GOOD_FIELDS


def test_a_field_may_be_longer_than_what_csv_takes_by_itself():
    [record] = read(HEADER + b'T,' + b'x' * 200_000 + b',cs.LG\n')
    assert len(record.fields['abstract']) == 200_000


def test_a_file_that_is_damaged_gives_what_is_readable_and_one_dead_letter():
    def blocks():
        yield HEADER + GOOD + b'Two,"A text\nthat goes on\nuntil'
        raise DamagedFile('it is cut off')

    record, letter = FORMAT.read(ByteRange(recognised(HEADER), 0, None), blocks(), ReadOptions())
    assert record.fields == GOOD_FIELDS
    raw = b'Two,"A text\nthat goes on'
    assert letter == DeadLetter('dump', len(HEADER + GOOD), 'damaged_file', 'it is cut off', raw)


def test_columns_may_stand_in_any_order_among_others():
    content = (
        b'year, Summaries,id,abstract,title,terms,updated\n2019,no,0704.0001v2,Text.,One,cs.LG stat.ML,2019-05-03\n'
    )
    assert split_letters(read(content))[0] == [
        {
            'id': '0704.0001v2',
            'title': 'One',
            'abstract': 'Text.',
            'categories': 'cs.LG stat.ML',
            'updated': '2019-05-03',
        }
    ]


def test_bytes_that_are_not_utf_8_do_no_harm_in_a_column_that_is_not_read():
    content = b"titles,summaries,terms,note\nOne,Text one.,\"['cs.LG', 'stat.ML']\",caf\xe9\n"
    assert split_letters(read(content)) == ([GOOD_FIELDS], [])


def test_columns_of_other_names_can_be_named():
    content = b'Headline,Body,tags,titles\nOne,Text one.,cs.LG,wrong\n'
    columns = (('title', 'Headline'), ('abstract', 'Body'), ('categories', 'tags'))
    assert split_letters(read(content, csv_columns=columns))[0] == [
        {'title': 'One', 'abstract': 'Text one.', 'categories': 'cs.LG'}
    ]


@pytest.mark.parametrize(
    ('header', 'options', 'message'),
    [
        (
            b'title,abstract,subjects\r\n',
            {},
            'dump has no column "terms" (it has: title, abstract, subjects). '
            'Rename the column, or say --csv_columns categories=COLUMN',
        ),
        (
            b'name,summaries,terms',
            {},
            'dump has no column "titles" (it has: name, summaries, terms). '
            'Rename the column, or say --csv_columns title=COLUMN',
        ),
        (
            b'titles,summaries,terms',
            {'csv_columns': (('id', 'key'),)},
            'dump has no column "key" (it has: titles, summaries, terms). '
            'Rename the column, or say --csv_columns id=COLUMN',
        ),
    ],
)
def test_a_missing_column_is_told_with_those_that_are_there(header, options, message):
    with pytest.raises(JobError) as error:
        recognised(header, **options)
    assert str(error.value) == message


def test_papers_to_be_tagged_need_no_column_of_categories():
    assert split_letters(read(b'title,abstract\nOne,Text.\n', labelled=False))[0] == [
        {'title': 'One', 'abstract': 'Text.'}
    ]


def test_where_categories_need_not_be_a_row_of_bad_ones_has_none():
    content = HEADER + GOOD + b'Two,Text.,"[1, 2]"\n'
    first, second = split_letters(read(content, labelled=None))[0]
    assert (type(first['categories']), second['categories']) == (list, None)


def test_a_csv_file_is_known_by_its_header_and_read_as_one_piece():
    dump = recognised(HEADER + GOOD, path='dump.json')
    assert (dump.format, dump.width) == ('kaggle_csv', 3)
    assert dump.columns == (('title', 0), ('abstract', 1), ('categories', 2))
    assert not FORMAT.splittable


@pytest.mark.parametrize(
    'content',
    [
        HEADER.decode().encode('utf-16'),
        HEADER.decode().encode('utf-16-le'),
        b'titles\nOne\n',
        b'A sentence' + b' that goes on' * 20 + b', and on.',
        b'titles,"summaries\nterms"\n',
    ],
)
def test_other_encodings_single_columns_and_prose_are_of_no_known_format(content):
    assert recognised(content) is None


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ("['cs.LG', 'stat.ML']", ['cs.LG', 'stat.ML']),
        ('["cs.LG", "68T05, 68T07 (Primary)"]', ['cs.LG', '68T05, 68T07 (Primary)']),
        ("('cs.LG',)", ['cs.LG']),
        (" ['cs.LG'] ", ['cs.LG']),
        ('[]', []),
        ('cs.LG stat.ML', 'cs.LG stat.ML'),
        ('', ''),
    ],
)
def test_categories_are_a_python_or_json_list_or_separated_by_blanks(text, names):
    assert parse_terms(text) == names


@pytest.mark.parametrize(
    'text',
    [
        "['cs.LG'",
        '[cs.LG]',
        "['cs.LG', 3]",
        "[['cs.LG']]",
        '("cs.LG")',
        "['cs.LG'] + ['cs.CV']",
        '[__import__("os")]',
        '["\0"',
        '[' * 100_000,
        '[' + '-' * 100_000 + '1]',
        '[1' + '+1' * 50_000 + ']',
    ],
)
def test_anything_else_that_begins_like_a_list_is_malformed_and_never_evaluated(text):
    with pytest.raises(RejectedRecord) as error:
        parse_terms(text)
    assert error.value.reason == 'malformed_categories'


TEXT = st.text(st.characters(codec='utf-8') | st.sampled_from('",\n\r\\ \'\ufeff'), max_size=15)
ROWS = st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=3)), min_size=1)


# Lines that end in a bare line feed leave a field with a carriage return unquoted, which csv itself cannot read.
@pytest.mark.parametrize(('end', 'quoting'), [('\r\n', csv.QUOTE_MINIMAL), ('\n', csv.QUOTE_ALL)])
@given(rows=ROWS)
def test_papers_that_csv_wrote_come_back_exactly(end, quoting, rows):
    content = written([['titles', 'summaries', 'terms'], *rows], lineterminator=end, quoting=quoting)
    expected = [{'title': title, 'abstract': text, 'categories': terms} for title, text, terms in rows]
    assert split_letters(read(content, block=7)) == (expected, [])


@given(rows=ROWS, at=st.integers(0, 30), bad=st.sampled_from([b'a,b\n', b'a,"b"c,d\n', b'\xff,b,[]\n', b'a,b,[\n']))
def test_a_bad_line_among_papers_is_one_dead_letter(rows, at, bad):
    records = [written([row], quoting=csv.QUOTE_ALL) for row in rows]
    at = min(at, len(records))
    content = HEADER + b''.join([*records[:at], bad, *records[at:]])
    good, letters = split_letters(read(content))
    assert [fields['title'] for fields in good] == [row[0] for row in rows]
    assert [(letter.position, letter.raw) for letter in letters] == [
        (len(HEADER) + sum(map(len, records[:at])), bad.removesuffix(b'\n'))
    ]
