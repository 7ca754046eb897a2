"""Shards are sized by what is written, and a line of JSON is written as people read it."""

import hashlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.shards import SHARD_BYTES, json_line, shards_needed, write_lines, write_shard


@pytest.mark.parametrize(
    ('file_bytes', 'shards'),
    [(0, 1), (1, 1), (32 << 20, 1), (50 << 20, 2), (320 << 20, 10), (1 << 40, 32768)],
)
def test_as_many_shards_as_make_about_32_mebibytes_each(file_bytes, shards):
    assert shards_needed(file_bytes) == shards


@given(file_bytes=st.integers(2 * SHARD_BYTES, 1 << 45))
def test_no_shard_is_far_from_its_size(file_bytes):
    assert 0.8 * SHARD_BYTES <= file_bytes / shards_needed(file_bytes) <= 1.25 * SHARD_BYTES


def test_a_line_of_json_has_its_keys_as_given_and_text_as_it_is():
    value = {'title': 'Schrödinger "日本語"\n', 'id': '1', 'scores': [0.5, True, None]}
    line = '{"title":"Schrödinger \\"日本語\\"\\n","id":"1","scores":[0.5,true,null]}'
    assert json_line(value) == line.encode()


@given(value=st.recursive(st.text(st.characters(codec='utf-8')), lambda inner: st.lists(inner)))
def test_json_never_breaks_its_line_and_comes_back(value):
    line = json_line(value)
    assert b'\n' not in line
    assert json.loads(line) == value


def test_each_record_is_a_line(tmp_path):
    path = tmp_path / 'lines'
    write_lines(str(path), iter([b'one', b'', b'three\r']))
    assert path.read_bytes() == b'one\n\nthree\r\n'
    write_lines(str(path), iter([]))
    assert path.read_bytes() == b''


def test_a_shard_is_described_by_what_it_holds_and_written_as_often_as_it_is_tried(tmp_path):
    content = 'é\n'.encode() * 3
    for _ in range(2):
        described = write_shard(str(tmp_path), 'a/b/part', lambda path: write_lines(path, ['é'.encode()] * 3), 3)
        digest = hashlib.sha256(content).hexdigest()
        assert described == {'file': 'a/b/part', 'records': 3, 'bytes': len(content), 'sha256': digest}
    assert (tmp_path / 'a' / 'b' / 'part').read_bytes() == content


def test_a_shard_that_is_written_half_is_never_seen(tmp_path):
    def breaks_off(path):
        write_lines(path, [b'one'])
        raise OSError(28, 'No space left on device')

    with pytest.raises(OSError, match='No space left'):
        write_shard(str(tmp_path), 'a/part', breaks_off, 2)
    assert os.listdir(tmp_path) == []
