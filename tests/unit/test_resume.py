"""A state brings every variable back, and where the last one is damaged the one before does."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import JobError
from trainer.resume import Course, UnfinishedRun

SETTINGS = {'--epochs': 9, '--hidden_units': (512, 256), '--learning_rate': 0.003, 'training data': 'a1'}


class Variables:
    """Weights, and the optimizer's variables, of each type that there is; each epoch has other values."""

    def __init__(self):
        self.weights = [keras.Variable(np.zeros((3, 2), np.float32)), keras.Variable(np.zeros(2, np.uint32))]
        self.optimizer = [keras.Variable(np.int64(0)), keras.Variable(np.zeros((3, 2), np.float32))]

    def set(self, epoch):
        for variable in (*self.weights, *self.optimizer):
            variable.assign(tf.cast(tf.fill(variable.shape, epoch), variable.dtype))

    def values(self):
        """The only value that the weights hold, and the only one that the optimizer's variables hold."""
        return tuple(
            {float(value) for variable in kind for value in np.ravel(keras.ops.convert_to_numpy(variable))}
            for kind in (self.weights, self.optimizer)
        )


def run_of(folder, variables, **changed):
    return UnfinishedRun(str(folder), SETTINGS | changed, variables.weights, variables.optimizer)


def course(*figures):
    """A course with these monitored figures."""
    rows = [{'epoch': epoch, 'val_ndcg_at_5': figure} for epoch, figure in enumerate(figures, start=1)]
    return Course(rows, [0.1 * row['epoch'] for row in rows])


def saved(folder, *figures):
    """A folder with what a run saved that came so far."""
    variables = Variables()
    run = run_of(folder, variables)
    for epoch in range(1, len(figures) + 1):
        variables.set(epoch)
        run.save(course(*figures[:epoch]))
    return folder


def restored(folder, **changed):
    """What a new process finds: the course, and the values of its variables."""
    variables = Variables()
    found = run_of(folder, variables, **changed).restore()
    return found, variables.values()


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_without_a_state_a_run_begins_at_the_beginning(tmp_path):
    assert restored(tmp_path / 'none') == (([], []), ({0.0}, {0.0}))
    assert os.listdir(tmp_path) == []


def test_a_state_brings_back_all_variables_and_the_course(tmp_path):
    assert restored(saved(tmp_path, 0.1, 0.30000000000000004)) == (course(0.1, 0.30000000000000004), ({2.0}, {2.0}))


def test_the_best_weights_come_back_however_many_epochs_ago_they_were(tmp_path):
    saved(tmp_path, 0.1, 0.9, 0.2, 0.3, 0.4)
    variables = Variables()
    run = run_of(tmp_path, variables)
    found = run.restore()
    assert variables.values() == ({5.0}, {5.0})
    run.restore_best(found)
    assert variables.values() == ({2.0}, {5.0})


def test_two_states_and_the_best_weights_of_each_are_kept(tmp_path):
    saved(tmp_path, 0.1, 0.9, 0.2, 0.3, 0.4)
    kept = {name.partition('.')[0] for name in os.listdir(tmp_path)}
    assert kept == {
        'state-00004', 'optimizer-00004', 'weights-00004',
        'state-00005', 'optimizer-00005', 'weights-00005', 'weights-00002',
    }  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'harm'),
    [
        ('state-00003.json', damage),
        ('state-00003.json', os.remove),
        ('weights-00003.data*', damage),
        ('weights-00003.data*', os.remove),
        ('weights-00003.index', os.remove),
        ('optimizer-00003.data*', damage),
        ('optimizer-00003.data*', os.remove),
        ('optimizer-00003.index', os.remove),
    ],
)
def test_where_the_last_state_is_damaged_or_incomplete_the_one_before_is_taken(tmp_path, name, harm):
    saved(tmp_path, 0.1, 0.2, 0.3)
    harm(max(tmp_path.glob(name)))
    assert restored(tmp_path) == (course(0.1, 0.2), ({2.0}, {2.0}))


def test_a_state_whose_best_weights_are_damaged_is_not_taken(tmp_path):
    saved(tmp_path, 0.1, 0.9, 0.2)
    for file in tmp_path.glob('weights-00002.data*'):
        damage(file)
    with pytest.raises(JobError) as error:
        restored(tmp_path)
    assert str(error.value) == f'The unfinished run in {tmp_path} cannot be read. Say --no-resume to start anew.'


@pytest.mark.parametrize('content', [b'', b'{"format": 1', b'[]', b'{"format": 2, "sha256": "", "state": "{}"}'])
def test_a_state_that_is_half_written_or_of_another_format_is_none(tmp_path, content):
    saved(tmp_path, 0.1)
    (tmp_path / 'state-00001.json').write_bytes(content)
    with pytest.raises(JobError, match='cannot be read. Say --no-resume to start anew'):
        restored(tmp_path)


def test_what_a_kill_leaves_in_the_middle_of_saving_is_not_taken_and_removed_later(tmp_path):
    saved(tmp_path, 0.1, 0.2)
    # As it looks when the weights are whole, the optimizer is half-way and the JSON file is not there yet.
    (tmp_path / 'weights-00003.index').write_bytes(b'whole')
    (tmp_path / 'optimizer-00003.parts').mkdir()
    (tmp_path / 'optimizer-00003.parts' / '00000.index').write_bytes(b'part')
    (tmp_path / 'state-00003.json.0123456789ab').write_bytes(b'{')
    variables = Variables()
    run = run_of(tmp_path, variables)
    assert run.restore() == course(0.1, 0.2)
    variables.set(3)
    run.save(course(0.1, 0.2, 0.3))
    assert not list(tmp_path.glob('*.parts'))
    assert not list(tmp_path.glob('*.json.*'))
    assert restored(tmp_path) == (course(0.1, 0.2, 0.3), ({3.0}, {3.0}))


def test_a_run_of_other_settings_is_not_gone_on_with_and_each_difference_is_told(tmp_path):
    saved(tmp_path, 0.1)
    with pytest.raises(JobError) as error:
        restored(tmp_path, **{'--learning_rate': 0.001, '--hidden_units': (64,), 'training data': 'b2', '--wide': True})
    assert str(error.value) == (
        f'{tmp_path} holds an unfinished run of other settings (--hidden_units 512 256, now 64, --learning_rate 0.003, '
        'now 0.001, --wide None, now True, training data a1, now b2). Say the same as then to go on with it, or '
        '--no-resume to start anew.'
    )


def test_what_was_discarded_is_gone(tmp_path):
    folder = saved(tmp_path / 'unfinished', 0.1, 0.2)
    run_of(folder, Variables()).discard()
    assert os.listdir(tmp_path) == []


def test_a_state_that_cannot_be_written_is_told_with_what_to_do(tmp_path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(JobError) as error:
        run_of(tmp_path / 'file', Variables()).save(course(0.1))
    assert str(error.value) == (
        f'Cannot write the state of the run to {tmp_path}/file: File exists. Mend that, and say the same again.'
    )


def test_a_run_goes_on_from_a_state_on_an_object_store(bucket):
    saved('remote://bucket/unfinished', 0.5, 0.7, 0.6)
    # The state's own file is written when the others are there, which hold the best epoch and the last.
    assert bucket.changes('unfinished/')[-1] == ('create', 'state-00003.json')
    kept = {name.partition('.')[0] for name in bucket.objects('unfinished/')}
    assert {'weights-00002', 'weights-00003', 'optimizer-00003', 'state-00003'} <= kept
    assert not any(name.endswith('-00001') for name in kept)
    found, values = restored('remote://bucket/unfinished')
    assert (found, values) == (course(0.5, 0.7, 0.6), ({3.0}, {3.0}))
    run_of('remote://bucket/unfinished', Variables()).discard()
    assert bucket.objects() == {}
