"""An output folder holds all of what a command publishes or nothing of it, whatever ends the command."""

import os

import pytest

from schemas import outputs
from schemas.errors import JobError
from tests.conftest import files_below

NAMES = ['data', 'part-*', 'report.json']


def publish(folder, *, overwrite=False, keep=(), **files):
    """Publishes files ('data__a' is a file a in a folder data) in one go."""
    with outputs.publish(str(folder), NAMES, made_by='prepare', overwrite=overwrite, keep=keep) as staging:
        write(staging, **files)


def write(staging, **files):
    for name, text in files.items():
        path = outputs.join(staging, *name.replace('_json', '.json').replace('part_', 'part-').split('__'))
        outputs.make_folder(path.rpartition('/')[0])
        outputs.write_text(path, text)


def fail(folder, error, *, overwrite=False):
    """Writes something, and raises the error before it is published."""

    def work():
        with outputs.publish(str(folder), NAMES, made_by='prepare', overwrite=overwrite) as staging:
            write(staging, data__a='new', part_0='new')
            raise error

    with pytest.raises(type(error), match='stop'):
        work()


def refusal(folder, **options):
    """The message with which a folder is refused; nothing in it may change."""
    before = files_below(folder) if folder.is_dir() else None
    with pytest.raises(JobError) as error:
        publish(folder, data__a='new', **options)
    assert (files_below(folder) if folder.is_dir() else None) == before
    return str(error.value)


def test_what_was_written_stands_in_the_folder_with_completed_beside_it(tmp_path):
    folder = tmp_path / 'a' / 'b'
    publish(folder, data__sub__a='A', part_0='zero', report_json='{}')
    assert files_below(folder) == {'COMPLETED': b'', 'data/sub/a': b'A', 'part-0': b'zero', 'report.json': b'{}'}
    assert sorted(os.listdir(folder)) == ['COMPLETED', 'data', 'part-0', 'report.json']


def test_completed_is_written_when_all_else_stands(tmp_path, monkeypatch):
    written, write_text = [], outputs.write_text

    def watched(path, text):
        if path.endswith('COMPLETED'):
            written.append(sorted(os.listdir(tmp_path / 'out')))
            assert (tmp_path / 'out' / 'data' / 'a').read_text() == 'A'
        write_text(path, text)

    monkeypatch.setattr(outputs, 'write_text', watched)
    publish(tmp_path / 'out', data__a='A', part_0='zero')
    [others] = written
    assert [name for name in others if not name.startswith('.')] == ['data', 'part-0']


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit, JobError])
def test_an_exception_leaves_nothing_not_even_the_folder_that_was_made(tmp_path, error):
    fail(tmp_path / 'out', error('stop'))
    assert os.listdir(tmp_path) == []


def test_an_exception_leaves_a_folder_that_was_there_as_it_was(tmp_path):
    publish(tmp_path / 'full', data__a='old')
    (tmp_path / 'empty').mkdir()
    fail(tmp_path / 'full', ValueError('stop'), overwrite=True)
    fail(tmp_path / 'empty', ValueError('stop'))
    assert sorted(os.listdir(tmp_path)) == ['empty', 'full']
    assert files_below(tmp_path) == {'full/COMPLETED': b'', 'full/data/a': b'old'}
    assert sorted(os.listdir(tmp_path / 'full')) == ['COMPLETED', 'data']


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    folder = tmp_path / 'out'
    write(str(folder / '.staging-0123456789ab'), data__a='half')
    publish(folder, data__a='A')
    assert files_below(folder) == {'COMPLETED': b'', 'data/a': b'A'}
    assert sorted(os.listdir(folder)) == ['COMPLETED', 'data']


def test_what_a_run_left_that_was_killed_while_it_published_is_replaced(tmp_path):
    folder = tmp_path / 'out'
    write(str(folder), data__a='half', part_0='half')
    publish(folder, data__b='B')
    assert files_below(folder) == {'COMPLETED': b'', 'data/b': b'B'}


def test_a_finished_output_is_refused_without_overwrite(tmp_path):
    publish(tmp_path / 'out', data__a='old')
    assert refusal(tmp_path / 'out') == (
        f'{tmp_path}/out already holds a finished output of "arxiv-tagger prepare". '
        'Choose another folder, or say --overwrite to replace it.'
    )


def test_overwrite_keeps_the_old_output_until_the_new_one_is_ready_and_leaves_nothing_of_it(tmp_path):
    folder = tmp_path / 'out'
    publish(folder, data__a='old', part_0='old', part_1='old')
    before = files_below(folder)
    with outputs.publish(str(folder), NAMES, made_by='prepare', overwrite=True) as staging:
        write(staging, data__b='new', part_0='new')
        found = files_below(folder)
        assert {name: found[name] for name in before} == before
    assert files_below(folder) == {'COMPLETED': b'', 'data/b': b'new', 'part-0': b'new'}


def test_what_is_to_be_kept_stays_beside_what_is_new(tmp_path):
    folder = tmp_path / 'out'
    publish(folder, data__1__model='one', report_json='one')
    publish(folder, data__2__model='two', report_json='two', overwrite=True, keep=['data'])
    assert files_below(folder) == {
        'COMPLETED': b'',
        'data/1/model': b'one',
        'data/2/model': b'two',
        'report.json': b'two',
    }
    publish(folder, report_json='three', overwrite=True, keep=['data'])
    assert sorted(files_below(folder)) == ['COMPLETED', 'data/1/model', 'data/2/model', 'report.json']


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_folder_with_files_that_the_command_did_not_make_is_refused_and_left_alone(tmp_path, overwrite):
    folder = tmp_path / 'out'
    write(str(folder), data__a='old')
    for name in ('notes.txt', 'thesis.tex', 'a', 'b'):
        (folder / name).write_text('mine')
    assert refusal(folder, overwrite=overwrite) == (
        f'{folder} holds files that "arxiv-tagger prepare" did not make (a, b, notes.txt, ...). '
        'Choose an empty or a new folder.'
    )


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / 'out').write_text('mine')
    assert refusal(tmp_path / 'out') == f'{tmp_path}/out is a file, not a folder. Choose another output folder.'
    assert (tmp_path / 'out').read_text() == 'mine'


def test_a_file_above_the_folder_is_told_before_the_work_begins(tmp_path):
    (tmp_path / 'file').write_text('mine')
    assert refusal(tmp_path / 'file' / 'out') == (
        f'Cannot write to {tmp_path}/file/out: Not a directory. Choose another folder.'
    )


def test_a_folder_that_cannot_be_made_is_told_before_the_work_begins(tmp_path, monkeypatch):
    def refused(path, exist_ok):
        raise PermissionError(13, 'Permission denied', path)

    monkeypatch.setattr(os, 'makedirs', refused)
    with pytest.raises(JobError) as error:
        publish(tmp_path / 'out', data__a='A')
    assert str(error.value) == f'Cannot write to {tmp_path}/out: Permission denied. Choose another folder.'
    assert os.listdir(tmp_path) == []


def test_a_folder_in_which_no_file_can_be_written_is_told_before_the_work_begins_and_removed(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, 'No space left on device', path)

    monkeypatch.setattr(outputs, 'write_text', full)
    with (
        pytest.raises(JobError) as error,
        outputs.publish(str(tmp_path / 'out'), NAMES, made_by='prepare', overwrite=False),
    ):
        pytest.fail('the work began')
    assert str(error.value) == f'Cannot write to {tmp_path}/out: No space left on device. Choose another folder.'
    assert os.listdir(tmp_path) == []


def test_only_a_finished_output_is_taken_as_input(tmp_path):
    folder = tmp_path / 'data'
    with pytest.raises(JobError) as error:
        outputs.require_completed(str(folder), 'prepare')
    assert str(error.value) == (
        f'{folder} does not exist, so it is no finished output of "arxiv-tagger prepare". '
        'Run that command to its end first.'
    )
    write(str(folder), data__a='A')
    with pytest.raises(JobError) as error:
        outputs.require_completed(str(folder), 'prepare')
    assert str(error.value) == (
        f'{folder} has no file COMPLETED, so it is no finished output of "arxiv-tagger prepare". '
        'Run that command to its end first.'
    )
    publish(folder, data__a='A')
    outputs.require_completed(str(folder), 'prepare')


def test_paths_are_joined_with_one_slash_and_schemes_survive():
    assert outputs.join('out/', 'a', 'b') == 'out/a/b'
    assert outputs.join('gs://bucket', 'a') == 'gs://bucket/a'
    assert outputs.join('/', 'a') == '//a'


def test_json_is_written_for_people_and_comes_back(tmp_path):
    path = str(tmp_path / 'report.json')
    outputs.write_json(path, {'title': 'Schrödinger', 'read': 9})
    assert outputs.read_bytes(path).decode() == '{\n  "title": "Schrödinger",\n  "read": 9\n}\n'
    assert outputs.read_json(path) == {'title': 'Schrödinger', 'read': 9}


def test_removing_takes_files_folders_and_links_and_does_not_follow_these(tmp_path):
    (tmp_path / 'folder' / 'sub').mkdir(parents=True)
    (tmp_path / 'folder' / 'sub' / 'file').write_text('')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'file').write_text('')
    (tmp_path / 'link').symlink_to(tmp_path / 'mine')
    for name in ('folder', 'link', 'nothing'):
        outputs.remove(str(tmp_path / name))
    assert os.listdir(tmp_path) == ['mine']
    assert os.listdir(tmp_path / 'mine') == ['file']


def test_an_exception_removes_the_parents_that_were_made_and_no_others(tmp_path):
    (tmp_path / 'there').mkdir()
    with (
        pytest.raises(ZeroDivisionError),
        outputs.publish(str(tmp_path / 'there/a/b'), ['x'], made_by='prepare', overwrite=False),
    ):
        raise ZeroDivisionError
    assert list((tmp_path / 'there').iterdir()) == []


def test_a_file_is_written_whole_with_its_folder_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'a' / 'b'
    outputs.write_bytes(str(path), b'one')
    outputs.write_bytes(str(path), b'two')
    assert files_below(tmp_path) == {'a/b': b'two'}

    def full(self, content):
        with open(self, 'wb') as file:
            file.write(content[:1])
        raise OSError(28, 'No space left on device', str(self))

    monkeypatch.setattr(outputs.pathlib.Path, 'write_bytes', full)
    with pytest.raises(OSError, match='No space left'):
        outputs.write_bytes(str(path), b'three')
    assert files_below(tmp_path) == {'a/b': b'two'}


def test_a_process_that_is_killed_while_it_writes_leaves_no_file_of_that_name(tmp_path, monkeypatch):
    def killed(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', killed)
    with pytest.raises(KeyboardInterrupt):
        outputs.write_bytes(str(tmp_path / 'a.npz'), b'one')
    assert not (tmp_path / 'a.npz').exists()
    assert not list(tmp_path.glob('*.npz'))


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    for _ in range(2):
        outputs.require_writable(str(tmp_path / 'a' / 'cache'), '--analysis_cache_dir')
    assert os.listdir(tmp_path / 'a' / 'cache') == []


def test_a_folder_that_cannot_be_written_is_told_with_its_flag_and_what_to_do(tmp_path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(JobError) as error:
        outputs.require_writable(str(tmp_path / 'file' / 'cache'), '--analysis_cache_dir')
    assert str(error.value) == (
        f'Cannot write to --analysis_cache_dir {tmp_path}/file/cache: Not a directory. '
        'Choose another folder, or leave --analysis_cache_dir out.'
    )


def broken_off(folder, error, *, overwrite=False):
    """A run that keeps something for the next one, and is then broken off."""

    def work():
        options = {'overwrite': overwrite, 'unfinished': 'unfinished'}
        with outputs.publish(str(folder), NAMES, made_by='train', **options) as staging:
            write(staging, data__a='half')
            write(str(folder), unfinished__state='epoch 3')
            raise error

    with pytest.raises(type(error)):
        work()


@pytest.mark.parametrize('error', [ValueError(), KeyboardInterrupt(), JobError()])
def test_what_a_job_keeps_for_the_next_run_stays_until_an_output_is_published(tmp_path, error):
    folder = tmp_path / 'a' / 'out'
    for _ in range(2):
        broken_off(folder, error)
        assert files_below(tmp_path) == {'a/out/unfinished/state': b'epoch 3'}
        assert os.listdir(folder) == ['unfinished']
    with outputs.publish(str(folder), NAMES, made_by='train', overwrite=False, unfinished='unfinished') as staging:
        assert (folder / 'unfinished' / 'state').read_text() == 'epoch 3'
        write(staging, data__a='A')
    assert files_below(folder) == {'COMPLETED': b'', 'data/a': b'A'}
    assert sorted(os.listdir(folder)) == ['COMPLETED', 'data']


def test_a_finished_output_stays_beside_what_an_overwriting_run_keeps(tmp_path):
    publish(tmp_path, data__a='old')
    broken_off(tmp_path, ValueError(), overwrite=True)
    assert files_below(tmp_path) == {'COMPLETED': b'', 'data/a': b'old', 'unfinished/state': b'epoch 3'}


def test_a_job_that_keeps_nothing_takes_that_folder_for_somebody_elses(tmp_path):
    broken_off(tmp_path / 'out', ValueError())
    assert 'holds files that "arxiv-tagger prepare" did not make (unfinished)' in refusal(tmp_path / 'out')
