"""The output folder of a streaming job: whose it is, and what is done."""

import datetime
import json
import subprocess
import sys

import pytest

from pipeline.published import Published, Source, exclusive, window_name
from schemas.errors import JobError

END = datetime.datetime(2026, 11, 21, 12, 46, tzinfo=datetime.UTC)


def window(folder, name, *files, completed=True):
    (folder / name).mkdir(parents=True)
    listed = [{'path': path, 'size': size, 'mtime_ns': time, 'records': 1} for path, size, time in files]
    (folder / name / 'sources.json').write_text(json.dumps({'files': listed}))
    if completed:
        (folder / name / 'COMPLETED').touch()


def test_a_windows_name_is_its_end_and_what_it_is_of_in_any_order():
    one, other = ('a', 1, 2), ('b', 3, 4)
    assert window_name(END, [one, other]) == window_name(END, [other, one])
    assert window_name(END, [one]) != window_name(END, [('a', 1, 3)])
    assert window_name(END, [one]).startswith('20261121T124600Z-')


def test_done_is_what_the_published_windows_say(tmp_path):
    window(tmp_path, '20261121T124600Z-00000000', ('a', 1, 2), ('b', 3, 4))
    window(tmp_path, '20261121T124700Z-00000000', ('c', 1, 2), completed=False)
    published = Published(str(tmp_path))
    assert published.refresh() == ['20261121T124600Z-00000000']
    assert published.done == {('a', 1, 2), ('b', 3, 4)}
    window(tmp_path, '20261121T124800Z-00000000', ('a', 9, 9))
    assert published.refresh() == ['20261121T124800Z-00000000']
    assert Source('a', 9, 9, 'copy').identity in published.done
    assert published.refresh() == []


def test_what_a_killed_job_left_is_removed_and_what_it_published_stays(tmp_path):
    window(tmp_path, '20261121T124600Z-00000000', ('a', 1, 2))
    window(tmp_path, '20261121T124700Z-00000000', ('c', 1, 2), completed=False)
    (tmp_path / '.staging-0123').mkdir()
    (tmp_path / '.staging-0123' / 'chunk-1').write_text('x')
    with exclusive(str(tmp_path)) as staging:
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            '.lock',
            staging.rpartition('/')[2],
            '20261121T124600Z-00000000',
        ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.lock', '20261121T124600Z-00000000']


def test_two_jobs_never_write_one_folder(tmp_path):
    code = (
        f'from pipeline.published import exclusive\nwith exclusive({str(tmp_path)!r}): print("in", flush=True); input()'
    )
    with subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b'in\n'
        with pytest.raises(JobError) as error, exclusive(str(tmp_path)):
            pass
        other.communicate(b'\n')
    assert str(error.value) == (
        f'Another streaming job writes to {tmp_path}. End that one first, or choose another folder.'
    )
    with exclusive(str(tmp_path)):
        pass


@pytest.mark.parametrize('name', ['COMPLETED', 'part-00000-of-00001.jsonl', 'notes.txt'])
def test_a_folder_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(JobError) as error, exclusive(str(tmp_path)):
        pass
    assert str(error.value) == (
        f'{tmp_path} holds files that "arxiv-tagger score --streaming" did not make ({name}). '
        'Choose an empty or a new folder.'
    )
    assert [path.name for path in tmp_path.iterdir()] == [name]
