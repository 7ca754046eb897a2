"""TFRecord files hold every record once, as TensorFlow and gzip read them, and damage is found."""

import gzip

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tfrecords
from pipeline.tfrecords import framed, write_tfrecords

RECORDS = [b'one', b'', bytes(100_000), bytes(range(256)) * 3]


def read(path, compression='GZIP'):
    return [record.numpy() for record in tf.data.TFRecordDataset(str(path), compression)]


@pytest.mark.parametrize('records', [[], [b''], RECORDS, RECORDS * 700])
def test_records_come_back_from_tensorflow(tmp_path, records):
    write_tfrecords(str(tmp_path / 'shard'), iter(records))
    assert read(tmp_path / 'shard') == records
    options = tf.io.TFRecordOptions(compression_type='GZIP')
    assert list(tf.compat.v1.io.tf_record_iterator(str(tmp_path / 'shard'), options)) == records


@given(records=st.lists(st.binary(max_size=300), max_size=5))
def test_frames_are_those_of_tensorflows_writer(tmp_path_factory, records):
    path = tmp_path_factory.mktemp('frames') / 'plain'
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    assert b''.join(framed(records)) == path.read_bytes()


def test_a_file_is_gzip_without_a_name_or_a_time(tmp_path):
    write_tfrecords(str(tmp_path / 'shard'), RECORDS)
    content = (tmp_path / 'shard').read_bytes()
    # RFC 1952: magic number, deflate, no flags (such as a name), no time.
    assert content[:8] == b'\x1f\x8b\x08\x00' + bytes(4)
    assert gzip.decompress(content) == b''.join(framed(RECORDS))


def test_equal_records_give_equal_bytes_however_they_are_delivered(tmp_path):
    records = [b'%d' % (number * 7919 % 1000) * 20 for number in range(2500)]
    write_tfrecords(str(tmp_path / 'a'), records)
    write_tfrecords(str(tmp_path / 'b'), iter(records))
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_records_are_taken_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecords, '_BLOCK_RECORDS', 10)
    compressed = []
    monkeypatch.setattr(tfrecords, 'framed', lambda block: compressed.append(len(block)) or framed(block))
    write_tfrecords(str(tmp_path / 'shard'), (b'%d' % number for number in range(25)))
    assert compressed == [10, 10, 5]
    assert read(tmp_path / 'shard') == [b'%d' % number for number in range(25)]


@pytest.mark.parametrize('place', [0, 8, 12, 14, -1], ids=['length', 'its checksum', 'record', 'record', 'checksum'])
def test_a_changed_byte_is_found_by_tensorflow(tmp_path, place):
    frame = bytearray(b''.join(framed([b'a record'])))
    frame[place] ^= 1
    (tmp_path / 'plain').write_bytes(frame)
    with pytest.raises(tf.errors.DataLossError):
        read(tmp_path / 'plain', '')


def test_a_changed_byte_of_a_file_is_found_by_tensorflow(tmp_path):
    write_tfrecords(str(tmp_path / 'shard'), [bytes(range(256)) * 10])
    content = bytearray((tmp_path / 'shard').read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / 'shard').write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        read(tmp_path / 'shard')
