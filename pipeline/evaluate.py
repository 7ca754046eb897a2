"""The evaluate job: a labelled dump in, metrics out, straight from raw text through the exported model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, Self

import apache_beam as beam
import numpy as np

from pipeline.config import EvaluateConfig
from pipeline.exports import Export
from pipeline.json_result import run_to_json
from pipeline.models import PinnedModel
from pipeline.read import ReadPapers
from pipeline.readers.format import Dump
from pipeline.shards import WriteJson
from pipeline.tagger import LabelTable, TaggedBatch, TagPapers, label_table
from schemas import features


class Metrics(Protocol):
    """What accumulates metrics. The trainer's own does; `cli` hands it in, for pipeline imports nothing of trainer."""

    def add(self, truth: np.ndarray, scores: np.ndarray) -> None:
        """Adds papers: truth (0 or 1) and scores, both [papers, labels]."""

    def merge(self, other: Self) -> None:
        """Adds what another has accumulated."""

    def result(self) -> dict[str, Any]:
        """Returns the metrics of all papers added."""


# Of the number of labels, their thresholds and their propensities.
MetricsFactory = Callable[[int, np.ndarray, np.ndarray], Metrics]


def build(
    root: beam.Pipeline,
    config: EvaluateConfig,
    dumps: Sequence[Dump],
    export: Export,
    new_metrics: MetricsFactory,
    output: str,
) -> None:
    """Wires the job: the metrics are written to the file `output`."""
    table = label_table(export)
    read = root | 'ReadPapers' >> ReadPapers(dumps, config.input, labelled=True, batch_size=config.batch_size)
    tagged = read.batches | 'TagPapers' >> TagPapers(PinnedModel(export), features.PREDICT_ALL_SIGNATURE)
    _ = (
        tagged
        | 'MeasurePapers' >> beam.CombineGlobally(AddToMetrics(table, new_metrics))
        | 'ToJson' >> beam.Map(lambda merged: merged.result() | {'model_version': export.version})
        | 'WriteMetrics' >> WriteJson(output)
    )


def run(
    config: EvaluateConfig,
    dumps: Sequence[Dump],
    export: Export,
    new_metrics: MetricsFactory,
    pipeline: beam.Pipeline,
) -> dict[str, Any]:
    """Runs the job to its end and returns the metrics."""
    metrics: dict[str, Any] = run_to_json(
        pipeline, lambda root, output: build(root, config, dumps, export, new_metrics, output), config.output
    )
    return metrics


def measure(tagged: TaggedBatch, labels: Sequence[str], metrics: Metrics) -> None:
    """Adds a batch of papers to the metrics. Labels that the model does not know are left out of the truth.

    Args:
        tagged: the papers.
        labels: that the model knows, in the order of its probabilities.
        metrics: what to add to.

    Raises:
        RuntimeError: if the model failed on one of them: metrics over the rest would flatter it.
    """
    if tagged.error:
        raise RuntimeError(f'the model failed on paper {tagged.papers[0].id}: {tagged.error}')
    column = {label: index for index, label in enumerate(labels)}
    truth = np.zeros((len(tagged.papers), len(labels)), np.bool_)
    for row, paper in enumerate(tagged.papers):
        for label in paper.labels:
            if label in column:
                truth[row, column[label]] = True
    metrics.add(truth, tagged.outputs[features.PROBABILITIES])


class AddToMetrics(beam.CombineFn):
    """Adds batches of tagged papers up to one `Metrics`: a megabyte, with 150 labels, however many papers there are."""

    def __init__(self, table: LabelTable, new_metrics: MetricsFactory) -> None:
        """Configures the measuring.

        Args:
            table: what the export knows of its labels.
            new_metrics: makes `Metrics` of no papers.
        """
        self._empty = functools.partial(new_metrics, len(table.labels), table.thresholds, table.propensities)
        self._labels = table.labels

    def create_accumulator(self, *args: Any, **kwargs: Any) -> Metrics:
        """Returns metrics of no papers."""
        return self._empty()

    def add_input(self, mutable_accumulator: Any, element: Any, *args: Any, **kwargs: Any) -> Metrics:
        """Adds a batch."""
        measure(element, self._labels, mutable_accumulator)
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[Metrics], *args: Any, **kwargs: Any) -> Metrics:
        """Adds the metrics of bundles up."""
        merged = self._empty()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Metrics, *args: Any, **kwargs: Any) -> Metrics:
        """Returns the metrics."""
        return accumulator
