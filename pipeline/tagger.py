"""Tags papers with an exported model, a batch at a time, on workers that load it once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics

from pipeline.exports import Export, LoadedExport
from pipeline.models import ModelSource
from pipeline.progress import count
from schemas import features
from schemas.paper import Paper


class TaggedBatch(NamedTuple):
    """Papers and what a model said of them.

    Attributes:
        papers: in order.
        outputs: arrays by the name of the signature's output, their rows in the order of `papers`; none, if the model
            failed.
        version: of the model.
        error: what went wrong with the only paper.
    """

    papers: list[Paper]
    outputs: dict[str, np.ndarray]
    version: str
    error: str = ''


class LabelTable(NamedTuple):
    """What an export knows of each label, in the order of `predict_all`'s columns.

    Attributes:
        labels: the names.
        thresholds: float32 [labels]; a label is given where its probability is at least its threshold.
        propensities: float32 [labels], for the propensity-scored metrics.
    """

    labels: list[str]
    thresholds: np.ndarray
    propensities: np.ndarray


def label_table(export: Export) -> LabelTable:
    """Reads the label table of an export.

    Raises:
        JobError: if it cannot be loaded, or is not ours.
    """
    table = LoadedExport(export).label_table()
    names = [label.decode() for label in table[features.LABELS].tolist()]
    return LabelTable(names, table[features.THRESHOLDS], table[features.PROPENSITIES])


def halving(
    call: Callable[[Sequence[Paper]], dict[str, np.ndarray]], papers: Sequence[Paper], version: str
) -> Iterator[TaggedBatch]:
    """Calls a model on a batch; where it fails, on each half, until the paper that it refuses is alone.

    Args:
        call: what the model says of papers; or raises.
        papers: the batch.
        version: of the model.

    Yields:
        Batches that together hold the papers in order; a paper that alone fails is one of its own, with `error` set.
    """
    try:
        outputs = call(papers)
    except Exception as error:
        if len(papers) == 1:
            what = str(error).splitlines()[0][:500] if str(error) else type(error).__name__
            yield TaggedBatch(list(papers), {}, version, what)
            return
        middle = len(papers) // 2
        yield from halving(call, papers[:middle], version)
        yield from halving(call, papers[middle:], version)
    else:
        yield TaggedBatch(list(papers), outputs, version)


class TagPapers(beam.PTransform[Any, Any]):
    """Runs a signature of a model on batches of papers. Output: `TaggedBatch`.

    Counters: tag/papers, tag/refused; distribution: tag/batch_milliseconds.
    """

    def __init__(self, models: ModelSource, signature: str, **constants: int) -> None:
        """Configures the tagging.

        Args:
            models: says which model tags a batch.
            signature: its name.
            **constants: int32 scalars that the signature takes beside title and abstract.
        """
        super().__init__()
        self._tag = _Tag(models, signature, constants)

    def expand(self, batches: beam.PCollection[list[Paper]]) -> beam.PCollection[TaggedBatch]:
        """Runs the model."""
        return batches | 'Tag' >> beam.ParDo(self._tag)


class _Tag(beam.DoFn):
    def __init__(self, models: ModelSource, signature: str, constants: dict[str, int]) -> None:
        self._models = models
        self._signature = signature
        self._constants = constants
        self._papers = Metrics.counter('tag', 'papers')
        self._refused = Metrics.counter('tag', 'refused')
        self._milliseconds = Metrics.distribution('tag', 'batch_milliseconds')

    def setup(self) -> None:
        self._holder = self._models.open()

    def process(self, papers: list[Paper]) -> Iterator[TaggedBatch]:
        model = self._holder.current()
        begin = time.monotonic()

        def call(some: Sequence[Paper]) -> dict[str, np.ndarray]:
            titles, abstracts = [paper.title.encode() for paper in some], [paper.abstract.encode() for paper in some]
            return model.call(self._signature, titles, abstracts, **self._constants)

        for tagged in halving(call, papers, model.version):
            (self._refused if tagged.error else self._papers).inc(len(tagged.papers))
            yield tagged
        self._milliseconds.update(round(1000 * (time.monotonic() - begin)))
        count('papers tagged', len(papers))
