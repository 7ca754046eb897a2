"""Files hold every record once, and their bytes depend on the records alone."""

import hashlib
import json
import random

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.shards import WriteDeadLetters, WriteJson, WriteShards, write_lines
from schemas.paper import DeadLetter
from tests.conftest import files_below
from tests.helpers import validate

RECORDS = [(number * 7919 % 1000, b'key%03d' % number, b'record %d' % number) for number in range(100)]


def described(name, content, records):
    return {'file': name, 'records': records, 'bytes': len(content), 'sha256': hashlib.sha256(content).hexdigest()}


def writing(root_dir, records, shards, folder='data'):
    def build(root):
        created = root | beam.Create(records, reshuffle=True).with_output_types(tuple[int, bytes, bytes])
        _ = created | WriteShards(str(root_dir), folder, '.txt', write_lines, shards)

    return build


def test_a_record_goes_to_the_shard_of_its_hash_in_the_order_of_its_key(tmp_path, run):
    run(writing(tmp_path, RECORDS, 3))
    expected = {
        f'data/part-0000{shard}-of-00003.txt': b''.join(
            record + b'\n' for hash_, _, record in RECORDS if hash_ % 3 == shard
        )
        for shard in range(3)
    }
    assert all(expected.values())
    assert files_below(tmp_path) == expected


@pytest.mark.parametrize('flags', [[], ['--direct_num_workers=2', '--direct_running_mode=multi_processing']])
def test_neither_the_order_of_the_records_nor_the_number_of_workers_shows(tmp_path, run, flags):
    run(writing(tmp_path / 'one', RECORDS, 4))
    run(writing(tmp_path / 'other', random.Random(1).sample(RECORDS, 100), 4), *flags)
    assert files_below(tmp_path / 'one') == files_below(tmp_path / 'other')


def test_records_of_one_key_are_all_written(tmp_path, run):
    run(writing(tmp_path, [(1, b'key', b'b'), (1, b'key', b'a'), (1, b'key', b'b')], 1))
    assert files_below(tmp_path) == {'data/part-00000-of-00001.txt': b'a\nb\nb\n'}


@pytest.mark.parametrize(('shards', 'written'), [(3, 3), (None, 1)])
def test_every_shard_is_written_even_if_there_is_no_record(tmp_path, run, shards, written):
    run(writing(tmp_path, [], shards, folder=''))
    assert files_below(tmp_path) == {f'part-0000{shard}-of-0000{written}.txt': b'' for shard in range(written)}


def test_without_a_number_the_size_of_the_records_decides(tmp_path, run, monkeypatch):
    monkeypatch.setattr('pipeline.shards.SHARD_BYTES', 200)
    size = sum(len(record) for _, _, record in RECORDS)
    run(writing(tmp_path, RECORDS, None))
    assert (size, len(files_below(tmp_path))) == (890, 4)


def test_each_file_is_described_by_what_it_holds(tmp_path, run):
    records = [(0, b'a', 'é'.encode()), (2, b'b', b'two'), (4, b'c', b'four')]
    expected = [
        described('data/part-00000-of-00002.txt', 'é\ntwo\nfour\n'.encode(), 3),
        described('data/part-00001-of-00002.txt', b'', 0),
    ]

    def build(root):
        created = root | beam.Create(records).with_output_types(tuple[int, bytes, bytes])
        assert_that(created | WriteShards(str(tmp_path), 'data', '.txt', write_lines, 2), equal_to(expected))

    run(build)


LETTERS = [
    DeadLetter('b.csv', 900, 'malformed_csv', 'unexpected end of data', b'"T'),
    DeadLetter('a.jsonl', 1000, 'invalid_encoding', 'not UTF-8', b'\xff'),
    DeadLetter('a.jsonl', 900, 'missing_title', 'the record has no title', '{"id": "é"}'.encode()),
]


@pytest.mark.parametrize('seed', [0, 1])
def test_dead_letters_are_lines_of_json_in_the_order_of_source_and_position(tmp_path, run, seed):
    letters = random.Random(seed).sample(LETTERS, 3)
    run(lambda root: root | beam.Create(letters, reshuffle=True) | WriteDeadLetters(str(tmp_path), 'dead_letters'))
    assert files_below(tmp_path) == {
        'dead_letters/part-00000-of-00001.jsonl': (
            '{"source":"a.jsonl","position":900,"reason":"missing_title","message":"the record has no title",'
            '"raw":"{\\"id\\": \\"é\\"}","raw_encoding":"utf-8"}\n'
            '{"source":"a.jsonl","position":1000,"reason":"invalid_encoding","message":"not UTF-8",'
            '"raw":"/w==","raw_encoding":"base64"}\n'
            '{"source":"b.csv","position":900,"reason":"malformed_csv","message":"unexpected end of data",'
            '"raw":"\\"T","raw_encoding":"utf-8"}\n'
        ).encode()
    }
    [content] = files_below(tmp_path).values()
    for line in content.splitlines():
        validate(json.loads(line), 'dead_letter')


def test_the_only_element_is_written_as_json(tmp_path, run):
    run(lambda root: root | beam.Create([{'read': 3, 'title': 'é'}]) | WriteJson(f'{tmp_path}/statistics.json'))
    assert files_below(tmp_path) == {'statistics.json': '{\n  "read": 3,\n  "title": "é"\n}\n'.encode()}
