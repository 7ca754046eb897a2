"""What TensorBoard shows: curves of the training, and the n-grams where their embeddings lie.

Events are written with the time 0 and under a fixed name, so that equal runs publish equal bytes. TensorBoard's
horizontal axis is the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.projector import projector_config_pb2

from schemas import outputs, scratch
from schemas.remote import is_remote
from trainer import history

# TensorBoard knows the files of a run by this part of their names.
EVENTS_FILE = 'events.out.tfevents'

PROJECTOR_FILE = 'projector_config.pbtxt'
METADATA_FILE = 'metadata.tsv'
TENSOR_FILE = 'ngrams.bytes'


class Curves:
    """Writes the figures of epochs into two TensorBoard runs, `train` and `validation`.

    Args:
        folder: the log folder; what is there is replaced.
        rows: epochs to begin with.
    """

    def __init__(self, folder: str, rows: Sequence[history.Row] = ()) -> None:
        outputs.remove(folder)
        self._folder = folder
        # Nothing can be added to a remote file: it is written anew.
        self._scratch = scratch.new_folder() if is_remote(folder) else None
        local = self._scratch.name if self._scratch else folder
        self._writers = {run: _writer(outputs.join(local, run)) for run in ('train', 'validation')}
        for row in rows:
            self._write(row)
        self._show()

    def add(self, row: history.Row) -> None:
        """Writes the figures of an epoch, where TensorBoard sees them at once."""
        self._write(row)
        self._show()

    def close(self) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()
        if self._scratch:
            self._scratch.cleanup()

    def _write(self, row: history.Row) -> None:
        epoch = int(row['epoch'] or 0)
        figures = {name: value for name, value in row.items() if name != 'epoch' and value is not None}
        measured = {name.removeprefix('val_'): value for name, value in figures.items() if name.startswith('val_')}
        trained = {name: value for name, value in figures.items() if not name.startswith('val_')}
        for run, values in (('train', trained), ('validation', measured)):
            scalars = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
            event = event_pb2.Event(step=epoch, summary=summary_pb2.Summary(value=scalars))
            self._writers[run].write(event.SerializeToString())

    def _show(self) -> None:
        for writer in self._writers.values():
            writer.flush()
        if self._scratch:
            scratch.upload(self._scratch.name, self._folder)


def _writer(folder: str) -> tf.io.TFRecordWriter:
    outputs.make_folder(folder)
    writer = tf.io.TFRecordWriter(outputs.join(folder, EVENTS_FILE))
    # Readers ask for this first.
    writer.write(event_pb2.Event(file_version='brain.Event:2').SerializeToString())
    return writer


def write_projector(folder: str, embeddings: npt.NDArray[np.float32], ngrams: Sequence[tuple[str, int]]) -> None:
    """Writes what TensorBoard's projector shows of n-grams: their embeddings, their names and how frequent they are.

    Args:
        folder: the log folder.
        embeddings: float32 [n, units].
        ngrams: the spelling of each n-gram, and in how many training papers it occurs.

    Raises:
        ValueError: if there are not as many n-grams as embeddings.
    """
    lines = ['ngram\tpapers', *(f'{ngram}\t{papers}' for ngram, papers in ngrams)]
    if len(lines) != len(embeddings) + 1:
        raise ValueError(f'{len(ngrams)} n-grams, {len(embeddings)} embeddings')
    outputs.make_folder(folder)
    outputs.write_text(outputs.join(folder, METADATA_FILE), '\n'.join(lines) + '\n')
    outputs.write_bytes(outputs.join(folder, TENSOR_FILE), np.ascontiguousarray(embeddings, '<f4').tobytes())
    config = projector_config_pb2.ProjectorConfig()
    config.embeddings.add(
        tensor_name='ngrams', tensor_path=TENSOR_FILE, tensor_shape=embeddings.shape, metadata_path=METADATA_FILE
    )
    outputs.write_text(outputs.join(folder, PROJECTOR_FILE), text_format.MessageToString(config))
