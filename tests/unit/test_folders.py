"""Watched folders: which files are there, and which are ready."""

import os

import pytest

from pipeline.folders import File, Settling, admit, is_ignored, list_files, patterns_to_watch
from schemas.errors import JobError


def seconds(value):
    return round(value * 1e9)


@pytest.mark.parametrize('name', ['.hidden', 'a.jsonl.part', 'a.tmp', 'a.PARTIAL', 'a.xml.crdownload'])
def test_hidden_and_unfinished_files_are_ignored(name):
    assert is_ignored(f'/in/{name}')
    assert not is_ignored(f'/in.tmp/{name.strip(".").split(".")[0]}.jsonl')


def test_files_are_listed_oldest_first_and_folders_not_at_all(tmp_path):
    for number, name in enumerate(['b.jsonl', 'a.jsonl', '.c.jsonl', 'd.part']):
        (tmp_path / name).write_text('x' * number)
        os.utime(tmp_path / name, ns=(0, seconds(number)))
    (tmp_path / 'folder').mkdir()
    files, troubles = list_files([f'{tmp_path}/*', f'{tmp_path}/a*'])
    assert files == [(f'{tmp_path}/b.jsonl', 0, seconds(0)), (f'{tmp_path}/a.jsonl', 1, seconds(1))]
    assert troubles == {}


def test_a_folder_that_vanished_is_told_and_the_others_are_listed(tmp_path):
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here' / 'a').write_text('')
    files, troubles = list_files([f'{tmp_path}/gone/*', f'{tmp_path}/here/*'])
    assert [file.path for file in files] == [f'{tmp_path}/here/a']
    assert troubles == {f'{tmp_path}/gone': f'No such file or directory ({tmp_path}/gone)'}


def test_a_folder_stands_for_the_files_in_it_and_patterns_become_absolute(tmp_path, monkeypatch):
    (tmp_path / 'in').mkdir()
    monkeypatch.chdir(tmp_path)
    assert patterns_to_watch(['in', 'in/*.jsonl', 'later.jsonl', 'gs://bucket/in/', 'gs://bucket/a*']) == (
        f'{tmp_path}/in/*',
        f'{tmp_path}/in/*.jsonl',
        f'{tmp_path}/later.jsonl',
        'gs://bucket/in/*',
        'gs://bucket/a*',
    )
    assert patterns_to_watch(['gs://bucket/file_or_folder']) == (
        'gs://bucket/file_or_folder',
        'gs://bucket/file_or_folder/*',
    )


@pytest.mark.parametrize('pattern', ['inn/*', 'inn/'])
def test_a_folder_that_is_not_there_at_the_start_is_a_mistake(tmp_path, pattern):
    with pytest.raises(JobError) as error:
        patterns_to_watch([f'{tmp_path}/{pattern}'])
    assert str(error.value) == (
        f'--input {tmp_path}/{pattern}: the folder {tmp_path}/inn does not exist. Make it, or mend the path.'
    )


def test_a_file_that_was_changed_long_ago_is_taken_at_once():
    old = File('a', 1, seconds(90))
    assert Settling(10).settled([old], now=100) == [old]


def test_a_file_that_grows_is_taken_when_it_has_stopped():
    settling = Settling(10)
    taken = []
    for now in range(100, 130, 5):
        size, changed = (now, now) if now < 115 else (115, 115)
        taken.append(len(settling.settled([File('a', size, seconds(changed))], now)))
    assert taken == [0, 0, 0, 0, 0, 1]


def test_a_clock_that_is_ahead_delays_a_file_but_does_not_hold_it_up():
    settling, file = Settling(10), File('a', 1, seconds(1e6))
    assert [settling.settled([file], now) for now in (100, 105, 110)] == [[], [], [file]]


def test_with_no_time_to_settle_every_file_is_ready():
    fresh = File('a', 1, seconds(100))
    assert Settling(0).settled([fresh], now=100) == [fresh]


def test_a_file_larger_than_the_limit_is_taken_alone():
    files = [File('a', 1000, 0), File('b', 1, 0)]
    assert admit(files, 10) == files[:1]
    assert admit([], 10) == []
