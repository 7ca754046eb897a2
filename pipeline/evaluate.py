"""The evaluate job: a labelled dump in, metrics out, straight from raw text through the exported model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, Self

import apache_beam as beam
import numpy as np

from pipeline.config import EvaluateConfig
from pipeline.read import ReadPapers
from pipeline.readers.format import Dump
from pipeline.shards import WriteJson
from pipeline.tagger import Export, Tagged, TagPapers, label_table
from schemas import features, outputs


class Metrics(Protocol):
    """What accumulates metrics. The trainer's own does; `cli` hands it in, for pipeline imports nothing of trainer."""

    def add(self, truth: np.ndarray, scores: np.ndarray) -> None:
        """Adds papers: truth (0 or 1) and scores, both [papers, labels]."""

    def merge(self, other: Self) -> None:
        """Adds what another has accumulated."""

    def result(self) -> dict[str, Any]:
        """Returns the metrics of all papers added."""


MetricsFactory = Callable[[int, np.ndarray], Metrics]


def build(
    root: beam.Pipeline,
    config: EvaluateConfig,
    dumps: Sequence[Dump],
    export: Export,
    new_metrics: MetricsFactory,
    output: str,
) -> None:
    """Wires the job: the metrics are written to the file `output`."""
    labels, thresholds = label_table(export.path)
    read = root | 'ReadPapers' >> ReadPapers(dumps, config.input, labelled=True)
    tagged = read.papers | 'TagPapers' >> TagPapers(export, features.PREDICT_ALL_SIGNATURE, config.batch_size)
    metrics = (
        tagged
        | 'Batch' >> beam.BatchElements(min_batch_size=config.batch_size, max_batch_size=config.batch_size)
        | 'Measure' >> beam.Map(measure, labels, thresholds, new_metrics)
        | 'Merge' >> beam.CombineGlobally(_MergeMetrics(len(labels), thresholds, new_metrics))
    )
    _ = (
        metrics
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
    with tempfile.TemporaryDirectory() as scratch:
        # Runners elsewhere cannot see a local folder; they write where the user asked for the metrics.
        output = f'{config.output}.part' if config.output and '://' in config.output else f'{scratch}/metrics.json'
        build(pipeline, config, dumps, export, new_metrics, output)
        pipeline.run().wait_until_finish()
        metrics: dict[str, Any] = outputs.read_json(output)
        if '://' in output:
            outputs.remove(output)
    return metrics


def measure(
    tagged: Sequence[Tagged], labels: Sequence[str], thresholds: np.ndarray, new_metrics: MetricsFactory
) -> Metrics:
    """Measures a batch of papers. Labels that the model does not know are left out of the truth.

    Raises:
        RuntimeError: if the model failed on one of them: metrics over the rest would flatter it.
    """
    failed = next((paper for paper in tagged if paper.error), None)
    if failed is not None:
        raise RuntimeError(f'the model failed on paper {failed.paper.id}: {failed.error}')
    column = {label: index for index, label in enumerate(labels)}
    truth = np.zeros((len(tagged), len(labels)), np.bool_)
    for row, paper in enumerate(tagged):
        for label in paper.paper.labels:
            if label in column:
                truth[row, column[label]] = True
    metrics = new_metrics(len(labels), thresholds)
    metrics.add(truth, np.stack([paper.outputs[features.PROBABILITIES] for paper in tagged]))
    return metrics


class _MergeMetrics(beam.CombineFn):
    def __init__(self, labels: int, thresholds: np.ndarray, new_metrics: MetricsFactory) -> None:
        self._new = lambda: new_metrics(labels, thresholds)

    def create_accumulator(self, *args: Any, **kwargs: Any) -> Metrics:
        return self._new()

    def add_input(self, mutable_accumulator: Any, element: Any, *args: Any, **kwargs: Any) -> Metrics:
        mutable_accumulator.merge(element)
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[Metrics], *args: Any, **kwargs: Any) -> Metrics:
        merged = self._new()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Metrics, *args: Any, **kwargs: Any) -> Metrics:
        return accumulator
