"""Lines are cut where the line feeds are, however the bytes come in blocks, and in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.lines import Line, lines_of
from tests.helpers import cut_into_blocks

TEXTS = st.lists(st.sampled_from([b'\n', b'\r\n', b'a', b'bc', b'\0', b'\xff' * 9])).map(b''.join)
BLOCKS = TEXTS.flatmap(cut_into_blocks)


def expected(content):
    """The lines of the content: a last one without a line feed counts if it holds anything."""
    *lines, rest = content.split(b'\n')
    return lines + [rest] * bool(rest)


@given(blocks=BLOCKS)
def test_lines_are_those_of_split_for_any_blocks(blocks):
    assert [line.content for line in lines_of(blocks, limit=1000)] == expected(b''.join(blocks))


@given(blocks=BLOCKS, start=st.integers(0, 1 << 40))
def test_each_line_knows_where_it_stands(blocks, start):
    content = b''.join(blocks)
    lines = list(lines_of(blocks, 1000, start))
    for line in lines:
        at = line.start - start
        assert content[at : at + line.length] == line.content
        assert content[at + line.length : at + line.length + 1] == (b'\n' if line.terminated else b'')
    assert sum(line.length + line.terminated for line in lines) == len(content)


@given(blocks=BLOCKS, limit=st.integers(1, 12))
def test_of_a_longer_line_the_first_bytes_are_kept_and_the_rest_is_counted(blocks, limit):
    whole = expected(b''.join(blocks))
    lines = list(lines_of(blocks, limit))
    assert [line.length for line in lines] == [len(line) for line in whole]
    short = [line.content for line, full in zip(lines, whole, strict=True) if len(full) <= limit]
    assert short == [full for full in whole if len(full) <= limit]
    assert all(full.startswith(line.content) for line, full in zip(lines, whole, strict=True))
    assert all(len(line.content) >= min(limit, line.length) for line in lines)


def test_a_line_that_comes_in_many_blocks_takes_no_more_memory_than_its_limit():
    [line] = lines_of((b'x' * 1000 for _ in range(1000)), limit=1500)
    assert line == Line(0, b'x' * 1500, 1_000_000, terminated=False)


def test_only_line_feeds_end_lines():
    content = 'a\rb\x0bc\x0cd\x85e\u2028f'.encode()
    assert list(lines_of([content], limit=100)) == [Line(0, content, len(content), terminated=False)]


def test_nothing_has_no_lines():
    assert list(lines_of([], limit=10)) == []
    assert list(lines_of([b'', b''], limit=10)) == []
