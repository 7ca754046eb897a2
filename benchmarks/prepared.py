"""What `arxiv-tagger prepare` published, as the methods under comparison read it: features, labels, and the texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse
import tensorflow as tf

from pipeline.config import InputConfig
from pipeline.deduplicate import newest
from pipeline.index import index_of
from pipeline.inputs import byte_ranges, find_dumps
from pipeline.read import papers_of
from pipeline.readers.format import ReadOptions
from pipeline.tally import Counts
from schemas.paper import Paper
from trainer import dataset
from trainer.prepared import Prepared

# (ids of the papers [n], weights of their n-grams: SparseTensor [n, ngrams], 1 where a label applies [n, labels]).
Rows = tuple[tf.Tensor, tf.SparseTensor, tf.Tensor]

_BATCH = 512


def rows(prepared: Prepared, split: str) -> Iterator[Rows]:
    """Yields a split's papers in batches, in the order of its shards."""
    files = [shard.path for shard in prepared.shards[split]]
    for records in tf.data.TFRecordDataset(files, 'GZIP').batch(_BATCH):
        yield dataset.parse(records, prepared.ngrams, len(prepared.labels))


def training_batches(prepared: Prepared, batch_size: int, seed: int, epochs: range) -> tf.data.Dataset:
    """Reads the training papers as the trainer does."""
    return dataset.shuffled_batches(
        prepared.shards['train'],
        ngrams=prepared.ngrams,
        labels=len(prepared.labels),
        batch_size=batch_size,
        seed=seed,
        epochs=epochs,
    )


def ids_and_labels(prepared: Prepared, split: str) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Returns the ids of a split's papers, and which labels apply: bool [papers, labels]."""
    ids: list[str] = []
    applies = [np.zeros((0, len(prepared.labels)), bool)]
    for batch_ids, _, batch_applies in rows(prepared, split):
        ids += [id_.decode() for id_ in batch_ids.numpy()]
        applies.append(batch_applies.numpy() > 0)
    return ids, np.concatenate(applies)


def matrix(prepared: Prepared, split: str) -> scipy.sparse.csr_matrix:
    """Returns the weights of the n-grams of a split's papers: float32 [papers, ngrams]."""

    def batch_matrix(weights: tf.SparseTensor) -> scipy.sparse.csr_matrix:
        papers, ngrams = weights.indices.numpy().T
        return scipy.sparse.csr_matrix((weights.values.numpy(), (papers, ngrams)), weights.dense_shape.numpy())

    return scipy.sparse.vstack([batch_matrix(weights) for _, weights, _ in rows(prepared, split)], 'csr')


def scores(
    prepared: Prepared, split: str, score: Callable[[tf.SparseTensor], npt.ArrayLike]
) -> npt.NDArray[np.float32]:
    """Scores a split's papers batch by batch: float32 [papers, labels].

    Args:
        prepared: the data.
        split: one of `schemas.features.SPLITS`.
        score: maps the n-grams of a batch to float32 [n, labels].
    """
    return np.concatenate([np.asarray(score(weights), np.float32) for _, weights, _ in rows(prepared, split)])


def digest(ids: Sequence[str]) -> str:
    """Names a set of papers: equal for the same ids in any order."""
    return hashlib.sha256('\n'.join(sorted(ids)).encode()).hexdigest()[:16]


def read_papers(patterns: Sequence[str]) -> dict[str, Paper]:
    """Reads the valid papers of dumps, by id, as `prepare` does: of several versions the newest one."""
    config = InputConfig(patterns=tuple(patterns))
    options = ReadOptions.of(config, labelled=True)
    papers: list[Paper] = []
    for part in (part for dump in find_dumps(config, labelled=True) for part in byte_ranges(dump)):
        found = papers_of(part, options, Counts(), fail_on_damage=False)
        papers.extend(paper for paper in found if isinstance(paper, Paper))
    return {papers[row].id: papers[row] for row in newest(index_of(papers, 0), 'id')['row'].tolist()}
