"""Dumps are found by pattern and told apart by content, before any work begins."""

import bz2
import gzip
import json
import random

import pytest
import zstandard

from pipeline.config import InputConfig
from pipeline.inputs import byte_ranges, find_dumps, range_blocks, stored_blocks
from pipeline.readers.format import ByteRange, Dump
from schemas.errors import JobError

KNOWN = 'json_lines, kaggle_csv, oai_pmh, arxiv_atom, arxiv_rss'
JSON = b'{"id": "1", "title": "One", "abstract": "Text.", "categories": "cs.LG"}\n'
CSV = b'titles,summaries,terms\nOne,Text.,cs.LG\n'
COMPRESS = {'': bytes, 'gzip': gzip.compress, 'bzip2': bz2.compress, 'zstd': zstandard.ZstdCompressor().compress}


def found(*patterns):
    """(file name, size, compression, format) of each dump."""
    dumps = find_dumps(InputConfig(patterns=tuple(map(str, patterns))), labelled=True)
    return [(dump.path.rpartition('/')[2], dump.size, dump.compression, dump.format) for dump in dumps]


def refusal(*patterns):
    with pytest.raises(JobError) as error:
        found(*patterns)
    return str(error.value)


@pytest.mark.parametrize('compression', COMPRESS)
@pytest.mark.parametrize(('content', 'format_'), [(JSON, 'json_lines'), (CSV, 'kaggle_csv')])
def test_format_and_compression_are_told_by_content_whatever_the_name(tmp_path, compression, content, format_):
    stored = COMPRESS[compression](b'\xef\xbb\xbf' + content)
    (tmp_path / 'dump.txt.gz').write_bytes(stored)
    assert found(tmp_path / 'dump.txt.gz') == [('dump.txt.gz', len(stored), compression, format_)]


@pytest.mark.parametrize('compression', COMPRESS)
def test_a_large_compressed_file_is_recognised_by_its_beginning(tmp_path, compression):
    words = random.Random(1)
    text = ' '.join(f'{words.getrandbits(40):x}' for _ in range(100_000))
    line = json.dumps({'id': '1', 'title': 'One', 'abstract': text}).encode() + b'\n'
    (tmp_path / 'dump').write_bytes(COMPRESS[compression](line * 2))
    assert found(tmp_path / 'dump')[0][3] == 'json_lines'


def test_several_patterns_give_each_file_once_in_the_order_of_their_paths(tmp_path):
    (tmp_path / 'more').mkdir()
    for name in ('b.csv', 'a.csv', 'more/c.csv', 'other.txt'):
        (tmp_path / name).write_bytes(CSV)
    names = [name for name, *_ in found(tmp_path / '*.csv', tmp_path / 'more' / '*', tmp_path / 'a.*')]
    assert names == ['a.csv', 'b.csv', 'c.csv']


def test_an_empty_file_among_others_is_nothing_to_read(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'')
    (tmp_path / 'b.csv').write_bytes(CSV)
    (tmp_path / 'c.csv').write_bytes(gzip.compress(b' \n'))
    dumps = find_dumps(InputConfig(patterns=(f'{tmp_path}/*',)), labelled=True)
    assert [dump.format for dump in dumps] == ['', 'kaggle_csv', '']
    assert [len(byte_ranges(dump)) for dump in dumps] == [0, 1, 0]


def test_a_folder_beside_files_is_passed_over_and_alone_is_refused(tmp_path):
    (tmp_path / 'in' / 'more').mkdir(parents=True)
    (tmp_path / 'in' / 'a.csv').write_bytes(CSV)
    assert [name for name, *_ in found(tmp_path / 'in' / '*')] == ['a.csv']
    assert refusal(tmp_path / 'in') == (
        f"--input {tmp_path}/in is a folder. Say which files in it: --input {tmp_path}/in/'*'"
    )


def test_only_empty_files_are_refused(tmp_path):
    for name in 'abcd':
        (tmp_path / name).write_bytes(b'\n')
    assert refusal(tmp_path / 'a') == f'{tmp_path}/a is empty: there is nothing to read.'
    assert (
        refusal(tmp_path / '*') == f'{tmp_path}/a, {tmp_path}/b, {tmp_path}/c, ... are empty: there is nothing to read.'
    )


def test_a_pattern_that_matches_nothing_is_refused_even_beside_one_that_does(tmp_path):
    (tmp_path / 'a.csv').write_bytes(CSV)
    assert refusal(tmp_path / '*.csv', tmp_path / '*.json') == (
        f'--input {tmp_path}/*.json matches no file. Check the path; quote a pattern with * in it.'
    )


@pytest.mark.parametrize(
    ('content', 'kind'),
    [
        (
            b'\n<!DOCTYPE html>\n<html><h1>503</h1></html>',
            'an HTML page, as servers send in place of what they cannot give',
        ),
        (
            b'<html lang="en"><body>Too many requests, titles, terms',
            'an HTML page, as servers send in place of what they cannot give',
        ),
        (b'%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj', 'a PDF file'),
        (b'PK\x03\x04\x14\0\0\0', 'a ZIP archive'),
        (b'PAR1\x15\x04\x15', 'a Parquet file'),
    ],
)
def test_what_is_fetched_by_mistake_is_refused_by_its_name(tmp_path, content, kind):
    (tmp_path / 'list.xml').write_bytes(content)
    assert refusal(tmp_path / 'list.xml') == (
        f'{tmp_path}/list.xml is {kind}, and no dump of papers (known formats: {KNOWN}). Fetch it again.'
    )


def test_a_file_of_no_known_format_is_refused_with_its_beginning(tmp_path):
    (tmp_path / 'notes').write_text('\n  Dear diary\ntoday, and so on\n')
    assert refusal(tmp_path / 'notes') == (f"{tmp_path}/notes is in no known format ({KNOWN}). It begins: 'Dear diary'")


def test_a_json_array_and_utf_16_are_refused_with_their_beginning(tmp_path):
    (tmp_path / 'array').write_bytes(b'[' + JSON + b']')
    assert refusal(tmp_path / 'array') == (
        f'{tmp_path}/array is in no known format ({KNOWN}). '
        'It begins: \'[{"id": "1", "title": "One", "abstract": "Text.", "categorie\''
    )
    (tmp_path / 'wide').write_bytes(CSV.decode().encode('utf-16-le'))
    assert 'wide is in no known format' in refusal(tmp_path / 'wide')


def test_a_missing_column_is_told_with_the_file(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'titles,summaries\nOne,Text.\n')
    assert refusal(tmp_path / 'a.csv') == (
        f'{tmp_path}/a.csv has no column "terms" (it has: titles, summaries). '
        'Rename the column, or say --csv_columns categories=COLUMN'
    )


@pytest.mark.parametrize('compression', ['gzip', 'bzip2', 'zstd'])
def test_a_compressed_file_of_which_nothing_can_be_read_is_refused(tmp_path, compression):
    (tmp_path / 'dump').write_bytes(COMPRESS[compression](JSON)[:9])
    assert refusal(tmp_path / 'dump') == (
        f'{tmp_path}/dump is damaged: it is cut off: its {compression} data has no end, and nothing of it can be read. '
        'Fetch it again.'
    )


def test_a_file_that_cannot_be_opened_is_told_with_the_systems_reason(tmp_path):
    with pytest.raises(JobError) as error:
        list(stored_blocks(f'{tmp_path}/gone'))
    assert str(error.value) == f'Cannot read {tmp_path}/gone: No such file or directory'


def test_only_large_plain_json_lines_are_cut_into_ranges():
    dump = Dump('papers', 100, format='json_lines')
    assert byte_ranges(dump, size=40) == [ByteRange(dump, 0, 40), ByteRange(dump, 40, 80), ByteRange(dump, 80, 100)]
    assert byte_ranges(dump, size=100) == [ByteRange(dump, 0, None)]
    for whole in (Dump('papers', 100, 'gzip', 'json_lines'), Dump('papers', 100, '', 'kaggle_csv')):
        assert byte_ranges(whole, size=40) == [ByteRange(whole, 0, None)]


def test_a_range_is_read_from_the_byte_before_it(tmp_path):
    (tmp_path / 'dump').write_bytes(b'0123456789')
    dump = Dump(f'{tmp_path}/dump', 10, format='json_lines')
    assert b''.join(range_blocks(ByteRange(dump, 0, 4))) == b'0123456789'
    assert b''.join(range_blocks(ByteRange(dump, 4, 8))) == b'3456789'
