"""Compressed dumps come out as they went in; a damaged one says so, behind all that can be read of it."""

import bz2
import gzip
import random
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.compression import DamagedFile, compression_of, decompressed
from tests.helpers import cut_into_blocks

COMPRESS = {
    '': bytes,
    'gzip': lambda content: gzip.compress(content, mtime=0),
    'bzip2': bz2.compress,
    'zstd': zstandard.ZstdCompressor(write_checksum=True).compress,
}
COMPRESSIONS = sorted(COMPRESS.keys() - {''})
CONTENTS = st.binary(max_size=300) | st.integers(0, 20_000).map(lambda size: random.Random(size).randbytes(size))


def readable(blocks, compression):
    """(what can be decompressed, what is wrong with the rest or '')."""
    content = b''
    try:
        for block in decompressed(blocks, compression):
            content += block
    except DamagedFile as damage:
        return content, str(damage)
    return content, ''


@pytest.mark.parametrize('compression', COMPRESSIONS)
def test_a_file_is_known_by_its_first_bytes(compression):
    assert compression_of(COMPRESS[compression](b'titles')) == compression


@pytest.mark.parametrize('head', [b'', b'titles,summaries', b'\x1f', b'BZ,', '{"é'.encode()])
def test_other_first_bytes_are_those_of_no_compression(head):
    assert compression_of(head) == ''


@pytest.mark.parametrize('compression', COMPRESS)
@given(data=st.data(), content=CONTENTS)
def test_what_was_compressed_comes_out_for_any_blocks(compression, data, content):
    blocks = data.draw(cut_into_blocks(COMPRESS[compression](content)))
    assert readable(blocks, compression) == (content, '')


@pytest.mark.parametrize('compression', COMPRESSIONS)
@given(data=st.data(), contents=st.lists(st.binary(max_size=200), min_size=2, max_size=4))
def test_streams_one_behind_the_other_are_read_as_one(compression, data, contents):
    stored = b''.join(map(COMPRESS[compression], contents))
    blocks = data.draw(cut_into_blocks(stored))
    assert readable(blocks, compression) == (b''.join(contents), '')


@given(data=st.data(), zeros=st.integers(1, 600))
def test_zeros_behind_and_between_gzip_streams_are_padding(data, zeros):
    stored = (COMPRESS['gzip'](b'one') + bytes(zeros)) * 2
    blocks = data.draw(cut_into_blocks(stored))
    assert readable(blocks, 'gzip') == (b'oneone', '')


@pytest.mark.parametrize('compression', COMPRESSIONS)
@pytest.mark.parametrize('content', [b'', b'some words, ' * 40, random.Random(1).randbytes(300)])
def test_a_file_cut_off_at_any_byte_is_damaged_behind_what_can_be_read(compression, content):
    stored = COMPRESS[compression](content)
    for length in range(1, len(stored)):
        found, damage = readable([stored[:length]], compression)
        assert content.startswith(found)
        assert damage == f'it is cut off: its {compression} data has no end'


def test_all_of_a_gzip_file_that_is_cut_off_is_read_up_to_there():
    words = random.Random(2)
    content = b' '.join(b'%x' % words.getrandbits(16) for _ in range(5000))
    stored = COMPRESS['gzip'](content)
    found, damage = readable([stored[:-9]], 'gzip')
    assert found == content[: len(found)]
    assert len(found) >= len(content) - 8
    assert damage


def test_what_the_last_bytes_of_a_cut_off_file_stand_for_is_not_lost():
    # A byte of this file stands for a thousand zeros: at the first MiB the output is full before the input is used up.
    stored = COMPRESS['gzip'](bytes(3 << 20))
    for length in range(1000, 1100):
        whole = zlib.decompressobj(wbits=31).decompress(stored[:length])
        assert readable([stored[:length]], 'gzip')[0] == whole


@pytest.mark.parametrize('compression', COMPRESSIONS)
def test_corrupt_bytes_are_noticed_behind_what_comes_well_before_them(compression):
    content = random.Random(3).randbytes(3_000_000)
    stored = bytearray(COMPRESS[compression](content))
    stored[2_500_000:2_500_100] = bytes(100)
    found, damage = readable([bytes(stored)], compression)
    assert damage.startswith(f'its {compression} data is corrupt (')
    # bzip2 reads blocks of 900 kB as wholes. gzip and zstd notice what they stored as it was only at the checksum.
    assert found[:1_500_000] == content[:1_500_000]
    assert len(found) <= len(content)


@pytest.mark.parametrize('compression', COMPRESSIONS)
def test_other_bytes_behind_a_stream_are_damage(compression):
    found, damage = readable([COMPRESS[compression](b'one'), b'something else'], compression)
    assert found == b'one'
    assert damage


@pytest.mark.parametrize('compression', COMPRESS)
def test_nothing_comes_of_nothing(compression):
    assert readable([], compression) == (b'', '')
    assert readable([b'', b''], compression) == (b'', '')


@pytest.mark.parametrize('compression', ['gzip', 'bzip2'])
def test_a_small_file_that_holds_a_lot_comes_in_blocks_of_one_mebibyte(compression):
    sizes = [len(block) for block in decompressed([COMPRESS[compression](bytes(20 << 20))], compression)]
    assert sum(sizes) == 20 << 20
    assert max(sizes) <= 1 << 20


def test_zstd_frames_that_need_a_long_window_and_frames_to_be_skipped_are_read():
    long = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=long)
    skipped = b'\x50\x2a\x4d\x18' + (4).to_bytes(4, 'little') + b'abcd'
    assert readable([compressor.compress(b'one') + skipped + compressor.compress(b'two')], 'zstd') == (b'onetwo', '')
