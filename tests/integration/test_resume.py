"""A run that was broken off goes on, and comes to what it would have come to without the break."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from schemas import features
from schemas.errors import JobError
from tests.conftest import ROOT, files_below
from trainer import export
from trainer.config import TrainConfig
from trainer.train import train

SETTINGS = {'epochs': 5, 'patience': 2, 'batch_size': 8, 'hidden_units': (64, 32), 'learning_rate': 0.01}
# TensorFlow names functions and files in the first two after counters and the clock; the third tells their sizes.
UNSTABLE = ('saved_model.pb', 'fingerprint.pb', 'export.json')


@contextlib.contextmanager
def training(prepared_dir, model_dir, *more, **options):
    """A process that trains, killed in the end if it is still there."""
    flags = [f'--{name}={value}' for name, value in SETTINGS.items() if name != 'hidden_units']
    command = [sys.executable, '-m', 'pipeline.cli', 'train', '--data_dir', prepared_dir, '--model_dir', model_dir]
    process = subprocess.Popen(
        [*map(str, command), *flags, '--hidden_units', '64', '32', *more],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def break_off(process, model_dir, epoch, by):
    """Ends the process in the middle of an epoch after this one; returns the last whole epoch and what was said."""
    state = model_dir / features.UNFINISHED_DIR / f'state-{epoch:05}.json'
    deadline = time.monotonic() + 120
    while not state.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.2)
    process.send_signal(by)
    said = process.communicate()[1]
    assert not (model_dir / 'COMPLETED').exists()
    return max(int(path.stem[-5:]) for path in state.parent.glob('state-*.json')), said


def published(model_dir):
    """Path -> bytes of what is published, but for times."""
    files = files_below(model_dir)
    metrics = json.loads(files.pop('metrics.json'))
    del metrics['seconds_per_epoch']
    return {name: content for name, content in files.items() if not name.endswith(UNSTABLE)} | {'metrics': metrics}


def in_process(prepared_dir, model_dir, **changed):
    return train(TrainConfig(data_dir=str(prepared_dir), model_dir=str(model_dir), **(SETTINGS | changed)))


@pytest.fixture(scope='module')
def undisturbed(prepared_dir, tmp_path_factory):
    """What a run publishes that nothing broke off."""
    folder = tmp_path_factory.mktemp('undisturbed') / 'model'
    with training(prepared_dir, folder) as process:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    assert 'Going on' not in said
    return published(folder)


@pytest.mark.slow
def test_a_run_that_is_killed_twice_publishes_what_an_undisturbed_run_does(prepared_dir, tmp_path, undisturbed):
    model_dir = tmp_path / 'model'
    with training(prepared_dir, model_dir) as process:
        first, _ = break_off(process, model_dir, 1, by=signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    with training(prepared_dir, model_dir) as process:
        second, said = break_off(process, model_dir, first + 1, by=signal.SIGKILL)
        assert f'Going on after epoch {first} of 5\n' in said
    with training(prepared_dir, model_dir) as process:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    assert 1 <= first < second < 5
    assert f'Going on after epoch {second} of 5\nEpoch {second + 1}/5' in said
    assert published(model_dir) == undisturbed
    assert 'variables/variables.data-00000-of-00001' in {name.partition('export/1/')[2] for name in undisturbed}
    assert sorted(os.listdir(model_dir)) == sorted([*features.TRAIN_PUBLISHES, 'COMPLETED'])


@pytest.mark.slow
def test_a_run_that_is_interrupted_says_where_it_will_go_on(prepared_dir, tmp_path):
    model_dir = tmp_path / 'model'
    with training(prepared_dir, model_dir) as process:
        epoch, said = break_off(process, model_dir, 1, by=signal.SIGINT)
        assert process.returncode == 1
    assert said.endswith(
        f'The same command goes on after epoch {epoch}\narxiv-tagger: interrupted; nothing was published.\n'
    )
    assert os.listdir(model_dir) == [features.UNFINISHED_DIR]


@pytest.mark.slow
def test_a_disk_that_is_full_ends_training_with_a_line_and_leaves_nothing(prepared_dir, tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))

    model_dir = tmp_path / 'model'
    with training(prepared_dir, model_dir, preexec_fn=small_files) as process:
        said = process.communicate()[1]
        assert process.returncode == 1
    [line] = said.splitlines()
    assert line.startswith(f'arxiv-tagger: Cannot write the state of the run to {model_dir}/unfinished: ')
    assert line.endswith('Mend that, and say the same again.')
    assert not model_dir.exists()


def test_a_disk_that_is_full_when_the_model_is_written_costs_no_epoch(prepared_dir, tmp_path, monkeypatch, capfd):
    model_dir, save = tmp_path / 'model', export.save_tagger
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_on_a_full_disk(*arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
        save(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr('trainer.export.save_tagger', save_on_a_full_disk)
        try:
            with pytest.raises(JobError) as error:
                in_process(prepared_dir, model_dir, epochs=1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(error.value).startswith(f'Cannot write the model to {model_dir}: ')
    assert str(error.value).endswith('File too large. Mend that, and say the same again.')
    assert os.listdir(model_dir) == [features.UNFINISHED_DIR]
    capfd.readouterr()
    in_process(prepared_dir, model_dir, epochs=1)
    assert capfd.readouterr().err.startswith('Going on after epoch 1 of 1\n')


@pytest.fixture
def broken_off(prepared_dir, tmp_path, monkeypatch):
    """A model folder with a run that was broken off while it exported, after its last epoch."""

    def stop(*arguments):
        raise KeyboardInterrupt

    model_dir = tmp_path / 'model'
    with monkeypatch.context() as patched:
        patched.setattr('trainer.export.save_tagger', stop)
        with pytest.raises(KeyboardInterrupt):
            in_process(prepared_dir, model_dir)
    assert os.listdir(model_dir) == [features.UNFINISHED_DIR]
    return model_dir


def test_a_run_that_is_broken_off_after_its_last_epoch_is_only_published(prepared_dir, broken_off, undisturbed, capfd):
    in_process(prepared_dir, broken_off)
    said = capfd.readouterr().err
    assert 'Going on after epoch' in said
    assert 'Epoch ' not in said
    assert published(broken_off) == undisturbed


def test_other_settings_or_other_data_are_refused_until_no_resume_is_said(prepared_dir, broken_off, capfd):
    before = files_below(broken_off)
    with pytest.raises(JobError) as error:
        in_process(prepared_dir, broken_off, learning_rate=0.02, hidden_units=(16,))
    assert str(error.value) == (
        f'{broken_off}/unfinished holds an unfinished run of other settings (--hidden_units 64 32, now 16, '
        '--learning_rate 0.01, now 0.02). Say the same as then to go on with it, or --no-resume to start anew.'
    )
    assert files_below(broken_off) == before
    capfd.readouterr()
    in_process(prepared_dir, broken_off, learning_rate=0.02, hidden_units=(16,), epochs=1, resume=False)
    assert 'Going on' not in capfd.readouterr().err
    assert (broken_off / 'COMPLETED').exists()


def test_a_finished_model_stays_until_the_run_that_overwrites_it_is_published(prepared_dir, tmp_path, monkeypatch):
    model_dir = tmp_path / 'model'
    in_process(prepared_dir, model_dir, epochs=1)
    before = files_below(model_dir)

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr('trainer.export.save_tagger', stop)
        with pytest.raises(KeyboardInterrupt):
            in_process(prepared_dir, model_dir, epochs=2, overwrite=True)
    unfinished = f'{features.UNFINISHED_DIR}/'
    after = files_below(model_dir)
    assert {name: after[name] for name in after if not name.startswith(unfinished)} == before
    assert f'{unfinished}state-00002.json' in after
    with pytest.raises(JobError, match='already holds a finished output'):
        in_process(prepared_dir, model_dir, epochs=2)
    in_process(prepared_dir, model_dir, epochs=2, overwrite=True)
    assert sorted(os.listdir(model_dir / features.EXPORT_DIR)) == ['1', '2']
    assert not (model_dir / features.UNFINISHED_DIR).exists()
