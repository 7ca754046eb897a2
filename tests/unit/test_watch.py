"""Taking files: each once, whole, or not yet."""

import os
import pathlib
import time

import pytest

from pipeline import watch
from pipeline.readers.format import ReadOptions
from pipeline.watch import Watcher, WatchOptions
from schemas import outputs
from tests.helpers import paper_line
from tests.unit.test_published import window

LINE = paper_line('2501.00001')


@pytest.fixture
def folders(tmp_path):
    for name in ('in', 'out', 'out/.staging-0'):
        (tmp_path / name).mkdir()
    return tmp_path


def watcher_in(folders, settle=0.0):
    return Watcher(
        WatchOptions(
            patterns=(f'{folders}/in/*',),
            poll_seconds=1,
            settle_seconds=settle,
            output_dir=f'{folders}/out',
            staging=f'{folders}/out/.staging-0',
            read=ReadOptions(labelled=False),
        )
    )


def put(path, content, mtime=100):
    path.write_bytes(content)
    os.utime(path, ns=(0, round(mtime * 1e9)))


def test_a_new_file_is_taken_once_as_a_dump_that_its_copy_is(folders):
    put(folders / 'in' / 'a.jsonl', LINE)
    watcher = watcher_in(folders)
    [taken] = watcher.look(set(), now=100)
    assert taken.source.identity == (f'{folders}/in/a.jsonl', len(LINE), 100_000_000_000)
    assert (taken.dump.path, taken.dump.size, taken.dump.format) == (taken.source.copy, len(LINE), 'json_lines')
    assert pathlib.Path(taken.dump.path).read_bytes() == LINE
    assert taken.letter is None
    assert list(watcher.look({taken.source.identity}, now=101)) == []


def test_a_file_that_a_published_window_has_is_done(folders):
    put(folders / 'in' / 'a.jsonl', LINE)
    window(folders / 'out', '20261121T124600Z-00000000', (f'{folders}/in/a.jsonl', len(LINE), 100_000_000_000))
    assert list(watcher_in(folders).look(set(), now=100)) == []


def test_a_path_with_new_content_is_a_new_file(folders):
    put(folders / 'in' / 'a.jsonl', LINE)
    watcher = watcher_in(folders)
    [old] = watcher.look(set(), now=100)
    put(folders / 'in' / 'a.jsonl', LINE, mtime=101)
    [new] = watcher.look({old.source.identity}, now=101)
    assert new.source.path == old.source.path
    assert new.source.copy != old.source.copy


@pytest.mark.parametrize(
    ('content', 'reason', 'message'),
    [
        (b'%PDF-1.7\n', 'unknown_format', 'is a PDF file, and no dump of papers'),
        (b'<!doctype html><html></html>', 'unknown_format', 'is an HTML page, as servers send'),
        (b'\x00\x01\x02\xff', 'unknown_format', 'is in no known format'),
        (b'name,colour\nx,red\n', 'unknown_format', 'has no column'),
        (b'\x1f\x8b\x08\x00broken', 'damaged_file', 'is damaged'),
    ],
)
def test_a_file_that_is_no_dump_becomes_a_dead_letter_that_names_it(folders, content, reason, message):
    put(folders / 'in' / 'a.xml', content)
    [taken] = watcher_in(folders).look(set(), now=100)
    assert taken.dump is None
    assert (taken.letter.source, taken.letter.position, taken.letter.reason) == (f'{folders}/in/a.xml', 0, reason)
    assert taken.letter.raw == content
    assert message in taken.letter.message
    assert '.staging' not in taken.letter.message


def test_a_file_that_vanishes_between_listing_and_reading_is_left_for_later(folders, monkeypatch, capsys):
    put(folders / 'in' / 'a.jsonl', LINE)
    put(folders / 'in' / 'b.jsonl', LINE)
    files, _ = watch.list_files([f'{folders}/in/*'])
    (folders / 'in' / 'a.jsonl').unlink()
    monkeypatch.setattr(watch, 'list_files', lambda patterns: (files, {}))
    assert [taken.source.path for taken in watcher_in(folders).look(set(), now=100)] == [f'{folders}/in/b.jsonl']
    assert capsys.readouterr().err == (
        f'arxiv-tagger: Cannot read {folders}/in/a.jsonl: No such file or directory ({folders}/in/a.jsonl). '
        'It is left for later.\n'
    )


def test_a_file_that_grows_while_it_is_copied_is_left_for_later(folders, monkeypatch):
    put(folders / 'in' / 'a.jsonl', LINE)
    files, _ = watch.list_files([f'{folders}/in/*'])
    put(folders / 'in' / 'a.jsonl', LINE + LINE[:20], mtime=101)
    monkeypatch.setattr(watch, 'list_files', lambda patterns: (files, {}))
    assert list(watcher_in(folders).look(set(), now=100)) == []
    monkeypatch.undo()
    [taken] = watcher_in(folders).look(set(), now=102)
    assert taken.source.size == len(LINE) + 20


def test_a_folder_that_vanishes_is_told_once_and_picked_up_when_it_is_back(folders, capsys):
    watcher = watcher_in(folders)
    (folders / 'in').rename(folders / 'away')
    assert [list(watcher.look(set(), now=now)) for now in (100, 101)] == [[], []]
    put(folders / 'away' / 'a.jsonl', LINE)
    (folders / 'away').rename(folders / 'in')
    assert len(list(watcher.look(set(), now=102))) == 1
    assert capsys.readouterr().err == (
        f'arxiv-tagger: Cannot list {folders}/in: No such file or directory ({folders}/in). '
        'The job waits until it is back.\n'
        f'arxiv-tagger: {folders}/in is back in order.\n'
    )


def test_an_object_is_taken_as_a_file_is_unless_it_is_written_anew_meanwhile(bucket, monkeypatch):
    bucket.put('in/a.jsonl', LINE)
    bucket.put('in/', b'')
    watcher = Watcher(
        WatchOptions(
            patterns=('remote://bucket/in/*',),
            poll_seconds=1,
            settle_seconds=0,
            output_dir='remote://bucket/out',
            staging='remote://bucket/out/.staging-0',
            read=ReadOptions(labelled=False),
        )
    )
    [taken] = watcher.look(set(), now=time.time())
    assert taken.source.identity == ('remote://bucket/in/a.jsonl', *outputs.info('remote://bucket/in/a.jsonl'))
    assert outputs.read_bytes(taken.source.copy) == LINE
    write_blocks = outputs.write_blocks

    def slow(path, blocks):
        write_blocks(path, blocks)
        bucket.put('in/a.jsonl', LINE + LINE)

    monkeypatch.setattr(outputs, 'write_blocks', slow)
    assert list(watcher.look(set(), now=time.time())) == []
