"""What `arxiv-tagger prepare` published, as the methods under comparison read it: features, labels, and the texts."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.config import InputConfig
from pipeline.deduplicate import newest
from pipeline.index import index_of
from pipeline.inputs import byte_ranges, find_dumps
from pipeline.read import papers_of
from pipeline.readers.format import ReadOptions
from pipeline.tally import Counts
from schemas import outputs
from schemas.paper import Paper
from trainer import dataset

# (ids of the papers [n], weights of their n-grams: SparseTensor [n, ngrams], 1 where a label applies [n, labels]).
Rows = tuple[tf.Tensor, tf.SparseTensor, tf.Tensor]

_BATCH = 512


@dataclasses.dataclass(frozen=True)
class Prepared:
    """An output folder of `prepare`, and the sizes of its two vocabularies."""

    data_dir: str
    ngrams: int
    labels: int

    @classmethod
    def of(cls, data_dir: str) -> Prepared:
        """Opens a finished output of `prepare`; raises JobError if it is none."""
        outputs.require_completed(data_dir, 'prepare')
        labels, ngrams = dataset.vocabularies(data_dir)
        return cls(data_dir, ngrams, len(labels))

    def rows(self, split: str) -> Iterator[Rows]:
        """Yields a split's papers in batches."""
        for records in tf.data.TFRecordDataset(dataset.shards(self.data_dir, split), 'GZIP').batch(_BATCH):
            yield dataset.parse(records, self.ngrams, self.labels)

    def batches(self, split: str, batch_size: int, shuffle_seed: int) -> tf.data.Dataset:
        """Reads a split as the trainer does."""
        files = dataset.shards(self.data_dir, split)
        return dataset.batches(
            files, ngrams=self.ngrams, labels=self.labels, batch_size=batch_size, shuffle_seed=shuffle_seed
        )

    def ids_and_labels(self, split: str) -> tuple[list[str], npt.NDArray[np.bool_]]:
        """Returns the ids of a split's papers, and which labels apply: bool [papers, labels]."""
        ids: list[str] = []
        applies = [np.zeros((0, self.labels), bool)]
        for batch_ids, _, batch_applies in self.rows(split):
            ids += [id_.decode() for id_ in batch_ids.numpy()]
            applies.append(batch_applies.numpy() > 0)
        return ids, np.concatenate(applies)

    def scores(
        self, split: str, score: Callable[[tf.SparseTensor], npt.ArrayLike]
    ) -> tuple[list[str], npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
        """Scores a split's papers, batch by batch.

        Args:
            split: one of `schemas.features.SPLITS`.
            score: maps the n-grams of a batch to float32 [n, labels].

        Returns:
            Ids, labels and scores of the papers.
        """
        scores = [np.zeros((0, self.labels), np.float32)]
        scores += [np.asarray(score(weights), np.float32) for _, weights, _ in self.rows(split)]
        return (*self.ids_and_labels(split), np.concatenate(scores))


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
