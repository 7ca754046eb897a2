"""What lets a run go on after its last whole epoch: its state, in the model folder until the model is published.

The state after an epoch is two TensorFlow checkpoint files, the weights (with the seeds of the dropout) and the
optimizer's variables, and a JSON file that is written when both are whole. The best weights so far are those of an
epoch, and stay as long as a state refers to them. The order of the papers needs no state: it depends on the seed and
the epoch (`dataset.shuffled_batches`). The state before the last is kept too, in case that the last one is damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from schemas import outputs, scratch
from schemas.errors import JobError
from trainer import history
from trainer.shards import one_line

# Raised when what a state consists of changes.
_FORMAT = 1
_FILES = ('state', 'weights', 'optimizer')


class Course(NamedTuple):
    """How far a run has come.

    Attributes:
        rows: of the epochs that are finished, as `history` describes them.
        seconds: that the steps of each took.
    """

    rows: list[history.Row]
    seconds: list[float]


class UnfinishedRun:
    """The states of a run that is not published yet.

    Args:
        folder: where they are; made when the first one is saved.
        settings: everything that decides what the run will come to, by the names of the flags. Only a run of equal
            settings goes on from these states.
        weights: the variables that the model consists of.
        optimizer: the variables of its optimizer.
    """

    def __init__(
        self,
        folder: str,
        settings: Mapping[str, Any],
        weights: Sequence[keras.Variable],
        optimizer: Sequence[keras.Variable],
    ) -> None:
        self._folder = folder
        # As JSON gives them back: lists for tuples.
        self._settings: dict[str, Any] = json.loads(json.dumps(settings))
        self._variables = {'weights': weights, 'optimizer': optimizer}

    def restore(self) -> Course:
        """Gives all variables the values that they had after the last whole epoch, if there is one.

        Returns:
            The course of the run until then.

        Raises:
            JobError: if the states are those of a run with other settings, or none of them can be read.
        """
        states = self._states()
        for name in reversed(states):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, tf.errors.OpError):
                state = _state_of(outputs.read_bytes(self._path(name)))
                if state['settings'] != self._settings:
                    raise JobError(self._difference(state['settings']))
                course = Course(state['rows'], state['seconds'])
                self.restore_best(course)
                for what, variables in self._variables.items():
                    self._read(f'{what}-{len(course.rows):05}', variables)
                return course
        if states:
            raise JobError(f'The unfinished run in {self._folder} cannot be read. Say --no-resume to start anew.')
        return Course([], [])

    def restore_best(self, course: Course) -> None:
        """Gives the weights the values that they had after the best epoch.

        Raises:
            tf.errors.OpError, OSError: if they cannot be read.
        """
        self._read(f'weights-{history.best_epoch(course.rows):05}', self._variables['weights'])

    def save(self, course: Course) -> None:
        """Writes the state after an epoch, and removes first what the state before it does not need.

        Raises:
            JobError: if it cannot be written.
        """
        epoch = len(course.rows)
        self._tidy(course.rows[:-1])
        try:
            with scratch.uploaded(self._folder) as local:
                for what, variables in self._variables.items():
                    _write(outputs.join(local, f'{what}-{epoch:05}'), variables)
            state = {'settings': self._settings, **course._asdict()}
            outputs.write_bytes(self._path(f'state-{epoch:05}.json'), _content_of(state))
        except (OSError, tf.errors.OpError) as error:
            with contextlib.suppress(OSError):
                self._tidy(course.rows[:-1])
            raise JobError(
                f'Cannot write the state of the run to {self._folder}: {one_line(error)}. '
                'Mend that, and say the same again.'
            ) from error

    def discard(self) -> None:
        """Removes all states."""
        outputs.remove(self._folder)

    def _tidy(self, rows: Sequence[history.Row]) -> None:
        """Removes what the state after these epochs does not need."""
        needed = {f'{what}-{len(rows):05}' for what in _FILES}
        if rows:
            needed.add(f'weights-{history.best_epoch(rows):05}')
        for name in outputs.children(self._folder):
            if name.partition('-')[0] in _FILES and name.partition('.')[0] not in needed:
                outputs.remove(self._path(name))

    def _read(self, name: str, variables: Sequence[keras.Variable]) -> None:
        with scratch.fetched(self._folder, name) as local:
            _read(outputs.join(local, name), variables)

    def _states(self) -> list[str]:
        return [name for name in outputs.children(self._folder) if name.startswith('state-') and name.endswith('.json')]

    def _path(self, name: str) -> str:
        return outputs.join(self._folder, name)

    def _difference(self, found: Mapping[str, Any]) -> str:
        names = sorted(found.keys() | self._settings.keys())
        differing = [name for name in names if found.get(name) != self._settings.get(name)]
        told = ', '.join(
            f'{name} {_shown(found.get(name))}, now {_shown(self._settings.get(name))}' for name in differing
        )
        return (
            f'{self._folder} holds an unfinished run of other settings ({told}). '
            'Say the same as then to go on with it, or --no-resume to start anew.'
        )


def _content_of(state: dict[str, Any]) -> bytes:
    text = json.dumps(state)
    return json.dumps({'format': _FORMAT, 'sha256': _sha256(text), 'state': text}).encode()


def _state_of(content: bytes) -> dict[str, Any]:
    """Reads what `_content_of` made; raises ValueError, KeyError or TypeError if it is anything else."""
    outer = json.loads(content)
    if outer['format'] != _FORMAT or outer['sha256'] != _sha256(outer['state']):
        raise ValueError('it is damaged, or of another format')
    state: dict[str, Any] = json.loads(outer['state'])
    return state


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _shown(value: Any) -> str:
    return ' '.join(map(str, value)) if isinstance(value, list) else str(value)


def _write(prefix: str, variables: Sequence[keras.Variable]) -> None:
    # Variable by variable: reading one that was updated in places copies it.
    parts = [f'{prefix}.parts/{number:05}' for number in range(len(variables))]
    with tf.device('CPU:0'):
        for number, (part, variable) in enumerate(zip(parts, variables, strict=True)):
            value = keras.ops.convert_to_tensor(variable)
            tf.raw_ops.SaveV2(prefix=part, tensor_names=[str(number)], shape_and_slices=[''], tensors=[value])
        tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix, delete_old_dirs=True)


def _read(prefix: str, variables: Sequence[keras.Variable]) -> None:
    for number, variable in enumerate(variables):
        dtype = keras.ops.convert_to_tensor(variable).dtype
        with tf.device('CPU:0'):
            [value] = tf.raw_ops.RestoreV2(
                prefix=prefix, tensor_names=[str(number)], shape_and_slices=[''], dtypes=[dtype]
            )
        variable.assign(value)
