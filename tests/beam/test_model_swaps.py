"""A running job takes the version that should serve once it is good, keeps to the one before else, and says so."""

import gc
import json
import logging
import os
import pickle
import shutil
import threading
import time
import weakref
from types import SimpleNamespace

import pytest
from apache_beam.metrics.execution import MetricsContainer
from apache_beam.runners.worker import statesampler
from apache_beam.utils.counters import CounterFactory

from pipeline import watched_model
from pipeline.exports import Export
from pipeline.models import NewestModel, PinnedModel
from schemas.errors import JobError
from tests.helpers import wait_for

NEVER = 3600


class Loaded(SimpleNamespace):
    """Stands for a model: what stood in its file."""


def load(export):
    """Stands for loading and verifying: a model whose file says `good...`."""
    try:
        with open(f'{export.path}/model') as file:
            content = file.read()
    except FileNotFoundError as error:
        raise JobError(f'{export.path} has no model.') from error
    if content == 'storage':
        raise OSError('the storage does not answer')
    if not content.startswith('good'):
        raise JobError(f'{export.path} is {content}.')
    return Loaded(version=export.version, path=export.path, content=content)


@pytest.fixture(autouse=True)
def _loading(monkeypatch):
    monkeypatch.setattr(watched_model, 'load_verified', load)


@pytest.fixture
def exports(tmp_path):
    """A model folder's exports: version 1, which is good."""
    folder = tmp_path / 'model' / 'export'
    publish(folder, 1)
    return folder


@pytest.fixture
def watched(exports, tmp_path):
    """A watcher of the folder that looks when it is told to."""
    source = NewestModel(str(exports.parent), str(tmp_path / 'out' / 'status.json'), NEVER)
    yield source.open()
    source.stop()


def publish(exports, version, content='good'):
    folder = exports / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'model').write_text(content)
    # Written within one tick of the clock of the file system, and with as many bytes, they would seem unchanged.
    os.utime(folder / 'model', ns=(time.perf_counter_ns(),) * 2)


def status(tmp_path):
    return json.loads((tmp_path / 'out' / 'status.json').read_text())


def refusals(tmp_path):
    return [(refusal['version'], refusal['reason']) for refusal in status(tmp_path)['refused']]


def test_a_newer_version_serves_once_it_was_looked_for(watched, exports, tmp_path):
    first = watched.current()
    assert (first.version, status(tmp_path)['serving']['version']) == ('1', '1')
    watched.look()
    assert watched.current() is first
    publish(exports, 2)
    assert watched.current() is first
    watched.look()
    assert watched.current().version == '2'
    found = status(tmp_path)
    assert list(found) == ['serving', 'refused', 'checked_at', 'trouble']
    assert {name: found['serving'][name] for name in ('version', 'path')} == {'version': '2', 'path': f'{exports}/2'}
    assert (found['refused'], found['trouble']) == ([], '')
    assert (tmp_path / 'out').is_dir()
    assert os.listdir(tmp_path / 'out') == ['status.json']


def test_a_bad_version_is_refused_in_one_line_until_its_files_change(watched, exports, tmp_path, caplog, monkeypatch):
    loads = []
    monkeypatch.setattr(watched_model, 'load_verified', lambda export: loads.append(export.version) or load(export))
    publish(exports, 2, 'bad')
    for _ in range(5):
        watched.look()
    assert loads == ['2']
    assert watched.current().version == '1'
    assert refusals(tmp_path) == [('2', f'{exports}/2 is bad.')]
    [record] = caplog.records
    assert (record.name, record.levelno) == ('pipeline.watched_model', logging.WARNING)
    assert record.getMessage() == f'Version 2 is refused, version 1 goes on serving: {exports}/2 is bad.'
    publish(exports, 2, 'good again')
    watched.look()
    assert watched.current().content == 'good again'
    assert (loads, refusals(tmp_path)) == (['2', '2'], [])
    assert len(caplog.records) == 1


def test_a_copy_in_progress_is_taken_when_it_is_done_and_nothing_is_said_of_it(watched, exports, tmp_path, caplog):
    (exports / '2').mkdir()
    watched.look()
    for content in ('half', 'half of', 'half of it'):
        publish(exports, 2, content)
        watched.look()
        assert watched.current().version == '1'
    publish(exports, 2)
    watched.look()
    assert watched.current().version == '2'
    assert (refusals(tmp_path), caplog.records) == ([], [])


def test_pins_take_effect_in_a_running_job_and_going_back_is_one(watched, exports):
    served = []

    def look():
        watched.look()
        served.append(watched.current().version)

    publish(exports, 2)
    look()
    (exports / 'PINNED').write_text('1\n')
    look()
    publish(exports, 3)
    look()
    (exports / 'PINNED').unlink()
    look()
    shutil.copytree(exports / '1', exports / '4')
    look()
    shutil.rmtree(exports / '4')
    look()
    assert served == ['2', '1', '1', '3', '4', '3']


def test_a_version_that_is_written_anew_is_taken_anew(watched, exports):
    publish(exports, 1, 'good, and another')
    watched.look()
    assert watched.current().content == 'good, and another'


def test_a_pin_to_nothing_is_refused_and_one_that_is_no_number_is_told(watched, exports, tmp_path, caplog):
    (exports / 'PINNED').write_text('7')
    for _ in range(3):
        watched.look()
    assert refusals(tmp_path) == [('7', f'{exports}/7 has no model.')]
    (exports / 'PINNED').write_text('seven')
    for _ in range(3):
        watched.look()
    assert status(tmp_path)['trouble'].startswith(f'{exports}/PINNED should be the number of a version')
    (exports / 'PINNED').unlink()
    watched.look()
    assert (watched.current().version, status(tmp_path)['trouble']) == ('1', '')
    assert len(caplog.records) == 2


def test_a_folder_that_vanishes_is_said_once_each_time_and_the_model_stays(watched, exports, tmp_path, caplog):
    for _ in range(2):
        exports.rename(exports.parent / 'elsewhere')
        watched.look()
        watched.look()
        assert watched.current().version == '1'
        assert status(tmp_path)['trouble'] == f'{exports} does not exist. Run "arxiv-tagger train" first'
        (exports.parent / 'elsewhere').rename(exports)
        watched.look()
        assert status(tmp_path)['trouble'] == ''
    assert [record.getMessage() for record in caplog.records] == [
        f'Version 1 goes on serving; no other can be looked for: {exports} does not exist. '
        'Run "arxiv-tagger train" first'
    ] * 2


def test_a_storage_that_does_not_answer_is_asked_again(watched, exports, tmp_path):
    publish(exports, 2, 'storage')
    watched.look()
    watched.look()
    assert (status(tmp_path)['trouble'], refusals(tmp_path)) == ('the storage does not answer', [])
    publish(exports, 2)
    watched.look()
    assert watched.current().version == '2'


def test_a_status_that_cannot_be_written_stops_nothing(exports, tmp_path, caplog):
    (tmp_path / 'out').write_text('A file, no folder.')
    source = NewestModel(str(exports.parent), str(tmp_path / 'out' / 'status.json'), NEVER)
    watched = source.open()
    publish(exports, 2)
    watched.look()
    source.stop()
    assert watched.current().version == '2'
    assert [record.getMessage() for record in caplog.records] == [
        f'The status cannot be written to {tmp_path}/out/status.json: [Errno 17] File exists: {str(tmp_path / "out")!r}'
    ]


def test_a_job_begins_with_the_version_before_one_that_it_refuses(exports, tmp_path, caplog):
    publish(exports, 2)
    for version in (3, 4):
        publish(exports, version, 'bad')
    source = NewestModel(str(exports.parent), str(tmp_path / 'out' / 'status.json'), NEVER)
    watcher = source.open()
    assert watcher.current().version == '2'
    assert refusals(tmp_path) == [('4', f'{exports}/4 is bad.')]
    [record] = caplog.records
    assert record.getMessage() == f'Version 4 is refused, version 2 goes on serving: {exports}/4 is bad.'
    for _ in range(3):
        watcher.look()
    assert (watcher.current().version, len(caplog.records)) == ('2', 1)
    publish(exports, 4)
    watcher.look()
    assert watcher.current().version == '4'
    source.stop()


def test_a_job_does_not_begin_with_another_version_than_the_one_that_is_pinned(exports):
    publish(exports, 2, 'bad')
    publish(exports, 3)
    (exports / 'PINNED').write_text('2')
    with pytest.raises(JobError, match='2 is bad'):
        NewestModel(str(exports.parent), None, NEVER).open()


@pytest.mark.parametrize('content', ['bad', 'storage'])
def test_a_first_model_that_cannot_be_used_fails_the_job(exports, content):
    publish(exports, 1, content)
    for _ in range(2):
        with pytest.raises(JobError, match='is bad' if content == 'bad' else 'cannot be read: the storage does not'):
            NewestModel(str(exports.parent)).open()
    with pytest.raises(JobError, match='is bad') if content == 'bad' else pytest.raises(OSError, match='storage'):
        PinnedModel(Export(f'{exports}/1', '1')).open()


def test_the_version_that_the_job_was_told_to_use_serves_whatever_the_folder_says(exports):
    publish(exports, 2)
    (exports / 'PINNED').write_text('2')
    source = NewestModel(str(exports.parent), poll_seconds=NEVER, pinned='1')
    watched = source.open()
    watched.look()
    source.stop()
    assert watched.current().version == '1'


def test_swaps_and_refusals_reach_beams_counters_through_the_threads_of_the_job(watched, exports):
    publish(exports, 2)
    watched.look()
    publish(exports, 3, 'bad')
    watched.look()
    watched.look()
    watched.current()
    container = MetricsContainer('step')
    sampler = statesampler.StateSampler('', CounterFactory())
    statesampler.set_current_tracker(sampler)
    sampler.start()
    with sampler.scoped_state('step', 'process', metrics_container=container):
        for _ in range(3):
            watched.current()
    sampler.stop()
    counted = {
        (key.metric_name.namespace, key.metric_name.name): cell.get_cumulative()
        for key, cell in container.metrics.items()
    }
    assert counted == {('models', 'swaps'): 1, ('models', 'refused'): 1}


def test_a_model_is_loaded_once_a_process_however_often_it_is_opened(exports, monkeypatch):
    loads = []
    monkeypatch.setattr(watched_model, 'load_verified', lambda export: loads.append(export.version) or load(export))

    def opened_by_threads(source):
        holders = []
        threads = [
            threading.Thread(target=lambda: holders.append(pickle.loads(pickle.dumps(source)).open())) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {id(holder.current()) for holder in holders}

    newest = NewestModel(str(exports.parent), poll_seconds=NEVER)
    for source in (PinnedModel(Export(f'{exports}/1', '1')), newest):
        loads.clear()
        assert len(opened_by_threads(source)) == 1
        assert loads == ['1']
    newest.stop()


def watching():
    return [thread for thread in threading.enumerate() if thread.name == 'watch_models']


def test_the_thread_swaps_by_itself_and_ends_when_it_is_told_to(exports):
    source = NewestModel(str(exports.parent), poll_seconds=0.02)
    watched = source.open()
    assert len(watching()) == 1
    publish(exports, 2)
    wait_for(lambda: watched.current().version == '2', seconds=10)
    pickle.loads(pickle.dumps(source)).stop()
    assert watching() == []
    assert watched.current().version == '2'


def test_the_thread_stays_while_a_runner_sets_no_dofn_up_and_ends_with_the_next_jobs_model(exports):
    NewestModel(str(exports.parent), poll_seconds=0.02).open()
    gc.collect()
    assert len(watching()) == 1
    PinnedModel(Export(f'{exports}/1', '1')).open()
    gc.collect()
    wait_for(lambda: watching() == [], seconds=10)


def test_the_model_before_is_freed_when_the_last_call_is_done(watched, exports):
    old = watched.current()
    # As TensorFlow's models do.
    old.itself = old
    reference = weakref.ref(old)
    publish(exports, 2)
    watched.look()
    watched.look()
    assert reference() is old
    del old
    watched.look()
    assert reference() is None
