"""A window's folder: what is in it, and that it appears once."""

import datetime
import json
import pickle

import pytest

from pipeline import windows
from pipeline.published import Published, Source
from pipeline.shards import write_lines
from pipeline.tagged_files import FileFormat
from pipeline.windows import DEAD_LETTER, TAGGED, Output, Staged, dead_letter_record, publish, window_statistics
from schemas.errors import JobError
from schemas.paper import DeadLetter
from tests.conftest import files_below

START = datetime.datetime(2026, 11, 21, 12, 45, tzinfo=datetime.UTC)
END = datetime.datetime(2026, 11, 21, 12, 46, tzinfo=datetime.UTC)


@pytest.fixture
def output(tmp_path):
    (tmp_path / 'out' / '.staging-0').mkdir(parents=True)
    # As `published.exclusive` leaves it: this job has the folder.
    (tmp_path / 'out' / '.lock').write_text(f'{tmp_path}/out/.staging-0')
    return Output(
        folder=f'{tmp_path}/out', staging=f'{tmp_path}/out/.staging-0', files=FileFormat('.jsonl', write_lines)
    )


def staged(output, path, records=(), letters=(), read=0):
    copy = f'{output.staging}/file-{path.rpartition("/")[2]}'
    chunk = f'{output.staging}/chunk-{path.rpartition("/")[2]}'
    letters = [DeadLetter(copy, position, 'malformed_json', f'{copy} is odd', b'{') for position in letters]
    found = [(TAGGED, record) for record in records] + [(DEAD_LETTER, dead_letter_record(letter)) for letter in letters]
    with open(chunk, 'wb') as file:
        file.write(pickle.dumps(found))
    open(copy, 'w').close()
    counts = {
        ('read',): read or len(records) + len(letters),
        ('tagged',): len(records),
        ('rejected', 'malformed_json'): len(letters),
        ('sources', copy): len(records) + len(letters),
        ('model_versions', '3'): len(records),
    }
    return Staged((chunk,), (0, 0), counts, (Source(path, 5, 7, copy),))


def test_a_window_holds_papers_dead_letters_statistics_and_sources_and_staging_is_cleared(output, tmp_path):
    parts = [
        staged(output, '/in/b', records=[(2, b'id2', b'{"id": "2"}'), (1, b'id1', b'{"id": "1"}')]),
        staged(output, '/in/a', letters=[9, 0]),
    ]
    name = publish(output, START, END, parts)
    assert name.startswith('20261121T124600Z-')
    files = files_below(tmp_path / 'out' / name)
    assert sorted(files) == [
        'COMPLETED',
        'dead_letters/part-00000-of-00001.jsonl',
        'part-00000-of-00001.jsonl',
        'sources.json',
        'statistics.json',
    ]
    assert files['part-00000-of-00001.jsonl'] == b'{"id": "1"}\n{"id": "2"}\n'
    letters = [json.loads(line) for line in files['dead_letters/part-00000-of-00001.jsonl'].splitlines()]
    assert [(letter['source'], letter['position'], letter['message']) for letter in letters] == [
        ('/in/a', 0, '/in/a is odd'),
        ('/in/a', 9, '/in/a is odd'),
    ]
    assert json.loads(files['sources.json']) == {
        'files': [
            {'path': '/in/a', 'size': 5, 'mtime_ns': 7, 'records': 2},
            {'path': '/in/b', 'size': 5, 'mtime_ns': 7, 'records': 2},
        ]
    }
    assert json.loads(files['statistics.json']) == {
        'window': {'start': '2026-11-21T12:45:00Z', 'end': '2026-11-21T12:46:00Z'},
        'files': 2,
        'read': 4,
        'tagged': 2,
        'rejected': {'malformed_json': 2},
        'accepted_labels': {},
        'model_versions': {'3': 2},
    }
    assert files_below(tmp_path / 'out' / '.staging-0') == {}


def test_a_window_that_is_published_again_stays_as_it_is(output, tmp_path):
    parts = [staged(output, '/in/a', records=[(1, b'1', b'{}')])]
    name = publish(output, START, END, parts)
    before = files_below(tmp_path / 'out')
    assert publish(output, START, END, parts) == name
    assert files_below(tmp_path / 'out') == before


def test_a_part_of_a_window_that_is_made_again_after_it_was_published_is_left_out(output, tmp_path):
    one = staged(output, '/in/a', records=[(1, b'1', b'{"id":"1"}')], read=1)
    two = staged(output, '/in/b', records=[(1, b'2', b'{"id":"2"}')], read=1)
    name = publish(output, START, END, [one, two])
    before = files_below(tmp_path)
    # A runner that went back knows of the first file, whose papers it staged before; the second one is done.
    assert publish(output, START, END, [one]) == ''
    assert files_below(tmp_path) == before
    three = staged(output, '/in/c', records=[(1, b'3', b'{"id":"3"}')], read=1)
    later = publish(output, START, END, [one, three])
    assert later not in ('', name)
    files = files_below(tmp_path / 'out' / later)
    assert files['part-00000-of-00001.jsonl'] == b'{"id":"3"}\n'
    assert [file['path'] for file in json.loads(files['sources.json'])['files']] == ['/in/c']


def test_a_window_without_files_publishes_nothing(output, tmp_path):
    assert publish(output, START, END, [Staged((), (0, 0), {}, ())]) == ''
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['.lock', '.staging-0']


def test_an_attempt_that_fails_half_way_shows_nothing_and_the_next_one_is_whole(output, tmp_path, monkeypatch):
    parts = [staged(output, '/in/a', records=[(1, b'1', b'{}')])]
    write_json = windows.outputs.write_json

    def full(path, value):
        raise OSError(28, 'No space left on device', path)

    monkeypatch.setattr(windows.outputs, 'write_json', full)
    with pytest.raises(OSError, match='No space left'):
        publish(output, START, END, parts)
    assert Published(output.folder).refresh() == []
    monkeypatch.setattr(windows.outputs, 'write_json', write_json)
    assert Published(output.folder).refresh() == []
    name = publish(output, START, END, parts)
    published = Published(output.folder)
    assert published.refresh() == [name]
    assert published.done == {('/in/a', 5, 7)}


def test_a_window_whose_records_do_not_add_up_is_not_published(output):
    with pytest.raises(JobError) as error:
        publish(output, START, END, [staged(output, '/in/a', records=[(1, b'1', b'{}')], read=2)])
    assert str(error.value) == (
        '2 records were read, but 1 tagged and 0 rejected; nothing of this was published. Please report it.'
    )
    assert Published(output.folder).refresh() == []


def test_the_statistics_of_a_file_without_records_are_zeros():
    assert window_statistics({}, START, END, 1)['read'] == 0
