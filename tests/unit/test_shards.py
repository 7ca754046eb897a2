"""Shards are sized by the records, and a line of JSON is written as people read it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.shards import SHARD_BYTES, json_line, shards_needed, write_lines


@pytest.mark.parametrize(
    ('record_bytes', 'ratio', 'shards'),
    [
        (0, 1.0, 1),
        (1, 1.0, 1),
        (64 << 20, 1.0, 1),
        (100 << 20, 1.0, 2),
        (640 << 20, 1.0, 10),
        (640 << 20, 0.5, 5),
        (64 << 20, 0.001, 1),
        (1 << 40, 0.7, 11469),
    ],
)
def test_as_many_shards_as_make_about_64_mebibytes_each(record_bytes, ratio, shards):
    assert shards_needed(record_bytes, ratio) == shards


@given(record_bytes=st.integers(2 * SHARD_BYTES, 1 << 45))
def test_no_shard_is_far_from_its_size(record_bytes):
    assert 0.8 * SHARD_BYTES <= record_bytes / shards_needed(record_bytes) <= 1.25 * SHARD_BYTES


def test_a_line_of_json_has_its_keys_as_given_and_text_as_it_is():
    value = {'title': 'Schrödinger "日本語"\n', 'id': '1', 'scores': [0.5, True, None]}
    line = '{"title": "Schrödinger \\"日本語\\"\\n", "id": "1", "scores": [0.5, true, null]}'
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
