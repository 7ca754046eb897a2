"""What `prepare` published, opened for training: what is wrong with it is found before the first step, if it can be."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from schemas import features, outputs, scratch
from schemas.errors import JobError
from schemas.remote import is_remote
from trainer import dataset, shards
from trainer.propensity import propensities
from trainer.shards import PREPARE_AGAIN, Shard


class Prepared(NamedTuple):
    """A finished output of `prepare`.

    Attributes:
        data_dir: its folder.
        labels: the labels, in the order of their ids.
        ngrams: how many n-grams have an id.
        shards: of each split.
        statistics, manifest: what the files of that name hold.
        transform: the transform graph.
    """

    data_dir: str
    labels: list[str]
    ngrams: int
    shards: dict[str, list[Shard]]
    statistics: dict[str, Any]
    manifest: dict[str, Any]
    transform: tft.TFTransformOutput

    @property
    def label_papers(self) -> list[int]:
        """How many training papers have each label."""
        return [int(self.statistics['labels'][label]['train']) for label in self.labels]

    @property
    def propensities(self) -> npt.NDArray[np.float32]:
        """Of the labels, from the training papers: float32 [labels]."""
        return propensities(self.label_papers, int(self.statistics['splits']['train']))

    def batches(self, split: str, batch_size: int) -> tf.data.Dataset:
        """Reads a split once, as `dataset.batches` does."""
        return dataset.batches(self.shards[split], ngrams=self.ngrams, labels=len(self.labels), batch_size=batch_size)

    def chosen(
        self, split: str, ids: Collection[str], batch_size: int
    ) -> Iterator[tuple[list[str], tf.SparseTensor, tf.Tensor]]:
        """Reads some papers of a split once, as `dataset.chosen` does."""
        sizes = {'ngrams': self.ngrams, 'labels': len(self.labels), 'batch_size': batch_size}
        return dataset.chosen(self.shards[split], ids, **sizes)


def open_prepared(data_dir: str, local: str = '') -> Prepared:
    """Opens what `prepare` made, and checks that it is whole, fits together and holds papers to train with.

    Args:
        data_dir: its folder.
        local: a local folder that lasts as long as what is returned, if `data_dir` has a scheme: for copies of what
            TensorFlow cannot read where it is.

    Raises:
        JobError: if it does not.
    """
    outputs.require_completed(data_dir, 'prepare')
    labels, ngrams, *_ = dataset.vocabularies(data_dir)
    statistics, manifest = (
        outputs.read_json(outputs.join(data_dir, name)) for name in (features.STATISTICS_FILE, features.MANIFEST_FILE)
    )
    files = {
        split: shards.within_reach(shards.shards(data_dir, split), outputs.join(local, split))
        for split in features.SPLITS
    }
    prepared = Prepared(data_dir, labels, ngrams, files, statistics, manifest, _transform(data_dir, local))
    _require_same_labels(prepared)
    for split in ('train', 'validation'):
        if not shards.count_papers(files[split]):
            raise JobError(
                f'{data_dir} holds no {split} papers. '
                'Prepare more papers, or other shares of them (--validation_fraction, --test_fraction).'
            )
    shards.verify(shard for split in features.SPLITS for shard in files[split])
    for split in features.SPLITS:
        dataset.require_features(files[split])
    return prepared


def frequent_ngrams(prepared: Prepared, number: int) -> list[tuple[str, int]]:
    """Lists the spelling of the most frequent n-grams, and in how many training papers each occurs, in order of ids.

    Raises:
        JobError: if their table is missing, damaged, or of another vocabulary.
    """
    with _reading_ngrams(prepared) as rows:
        return [(ngram.decode(), int(papers)) for ngram, _, _, papers in (row.split(b'\t') for row in rows[:number])]


def spelled_ngrams(prepared: Prepared) -> list[bytes]:
    """Lists the spelling of all n-grams, in order of ids.

    Raises:
        JobError: as `frequent_ngrams`.
    """
    with _reading_ngrams(prepared) as rows:
        return [row[: row.index(b'\t')] for row in rows]


@contextlib.contextmanager
def _reading_ngrams(prepared: Prepared) -> Iterator[list[bytes]]:
    """A context for parsing the lines of the table of n-grams, that says what is wrong with it."""
    path = outputs.join(prepared.data_dir, features.NGRAMS_FILE)
    try:
        rows = outputs.read_bytes(path).split(b'\n')[1:-1]
        if len(rows) != prepared.ngrams:
            raise JobError(
                f'{path} lists {len(rows):,} n-grams, but {features.STATISTICS_FILE} says {prepared.ngrams:,}. '
                f'{PREPARE_AGAIN}'
            )
        yield rows
    except (OSError, ValueError) as error:
        what = 'is missing' if isinstance(error, FileNotFoundError) else 'cannot be read or is damaged'
        raise JobError(f'{path} {what}. {PREPARE_AGAIN}') from error


@contextlib.contextmanager
def naming_bad_shards(prepared: Prepared) -> Iterator[None]:
    """A context for reading papers, that says which shard could not be read.

    Raises:
        JobError: in place of TensorFlow's error, if a shard is to blame.
    """
    try:
        yield
    except tf.errors.OpError as error:
        files = [shard for split in features.SPLITS for shard in prepared.shards[split]]
        if complaint := dataset.complaint(files, ngrams=prepared.ngrams, labels=len(prepared.labels)):
            raise JobError(complaint) from error
        raise


def _transform(data_dir: str, local: str) -> tft.TFTransformOutput:
    folder = outputs.join(data_dir, features.TRANSFORM_GRAPH_DIR)
    readable = outputs.join(local, features.TRANSFORM_GRAPH_DIR) if is_remote(folder) else folder
    try:
        if readable != folder:
            scratch.download(folder, readable)
        transform = tft.TFTransformOutput(readable)
        # Reads it; the exported model asks for the same layer again.
        transform.transform_features_layer()
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise JobError(f'The transform graph {folder} cannot be read. {PREPARE_AGAIN}') from error
    return transform


def _require_same_labels(prepared: Prepared) -> None:
    counted = {label for label, papers in prepared.statistics['labels'].items() if papers['train']}
    for label in sorted(counted.symmetric_difference(prepared.labels)):
        here, there = features.LABELS_FILE, features.STATISTICS_FILE
        has, lacks = (there, here) if label in counted else (here, there)
        raise JobError(
            f'{prepared.data_dir}: {has} has the label {label}, {lacks} does not: one of them was changed. '
            f'{PREPARE_AGAIN}'
        )
