"""The drift job: papers in, and how far they are from those that the model was measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam

from pipeline.config import DriftConfig
from pipeline.evaluate import AddToMetrics, Metrics, MetricsFactory
from pipeline.exports import Export
from pipeline.json_result import run_to_json
from pipeline.models import PinnedModel
from pipeline.profiles import ProfileTagged, reference_profile
from pipeline.read import ReadPapers
from pipeline.readers.format import Dump
from pipeline.shards import WriteJson
from pipeline.tagger import TaggedBatch, TagPapers, label_table
from pipeline.tally import SumTallies, nested
from schemas import drift, features, outputs, scratch
from schemas.paper import Paper
from schemas.profile import LABELS_A_PAPER, Profile

# What is told of each month.
FIGURES = ('papers', 'precision_at_1', 'precision_at_3', 'ndcg_at_5', 'micro_f1')
UNKNOWN_MONTH = 'unknown'


def build(
    root: beam.Pipeline,
    config: DriftConfig,
    dumps: Sequence[Dump],
    export: Export,
    new_metrics: MetricsFactory,
    output: str,
) -> None:
    """Wires the job: the report, as drift.schema.json describes it, is written to the file `output`."""
    reference = reference_profile(export)
    read = root | 'ReadPapers' >> ReadPapers(dumps, config.input, labelled=None, batch_size=config.batch_size)
    tagged = read.batches | 'TagPapers' >> TagPapers(PinnedModel(export), features.TAG_SIGNATURE, k=LABELS_A_PAPER)
    profile = tagged | 'ProfileTagged' >> ProfileTagged(len(reference.ngram_papers))
    months = (
        read.batches
        | 'TakeLabelled' >> beam.FlatMap(labelled)
        | 'ScoreLabels' >> TagPapers(PinnedModel(export), features.PREDICT_ALL_SIGNATURE)
        | 'MeasureMonths' >> MeasureMonths(AddToMetrics(label_table(export), new_metrics))
    )
    counts = (read.tallies,) | 'Statistics' >> SumTallies()
    _ = (
        counts
        | 'ToReport'
        >> beam.Map(
            drift_report,
            reference,
            export.version,
            beam.pvalue.AsSingleton(profile),
            beam.pvalue.AsDict(months),
        )
        | 'WriteReport' >> WriteJson(output)
    )


def run(
    config: DriftConfig, dumps: Sequence[Dump], export: Export, new_metrics: MetricsFactory, pipeline: beam.Pipeline
) -> dict[str, Any]:
    """Runs the job to its end and returns the report, its n-grams spelled."""
    report: dict[str, Any] = run_to_json(
        pipeline, lambda root, output: build(root, config, dumps, export, new_metrics, output), config.output
    )
    names = spelled_ngrams(export)
    return report | {'ngrams': [{'ngram': names[moved['id']], **moved} for moved in report['ngrams']]}


def drift_report(
    counts: Mapping[tuple[str, ...], int],
    reference: Profile,
    model_version: str,
    profile: Profile,
    months: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Makes the report of what was counted.

    Args:
        counts: tallies of reading, summed.
        reference: of the papers that the model was measured on.
        model_version: of the export.
        profile: of the papers that were read.
        months: the model's figures by month, of papers with labels.
    """
    tree = nested(counts.items())
    read, rejected = tree.get('read', 0), tree.get('rejected', {})
    report = drift.compare(reference, profile)
    return {
        'conclusion': drift.conclusion(report),
        **report,
        'read': read,
        'rejected': rejected,
        'refused_by_model': read - sum(rejected.values()) - profile.papers,
        'months': [{'month': month, **months[month]} for month in sorted(months)],
        'model_version': model_version,
    }


def labelled(papers: Sequence[Paper]) -> Iterator[list[Paper]]:
    """Yields the papers of a batch that have labels, as a batch, if there are any.

    >>> [len(batch) for batch in labelled([Paper('1', 'T', 'A'), Paper('2', 'T', 'A', ('cs.LG',))])]
    [1]
    """
    if some := [paper for paper in papers if paper.labels]:
        yield some


def by_month(tagged: TaggedBatch) -> Iterator[tuple[str, TaggedBatch]]:
    """Yields the parts of a batch by the month in which their papers were updated; none of what the model refused."""
    if tagged.error:
        return
    rows: dict[str, list[int]] = {}
    for row, paper in enumerate(tagged.papers):
        rows.setdefault(paper.updated[:7] or UNKNOWN_MONTH, []).append(row)
    for month, some in rows.items():
        arrays = {name: values[some] for name, values in tagged.outputs.items()}
        yield month, TaggedBatch([tagged.papers[row] for row in some], arrays, tagged.version)


class MeasureMonths(beam.PTransform[Any, Any]):
    """Measures batches of tagged papers month by month. Output: (month, FIGURES of its papers)."""

    def __init__(self, add: AddToMetrics) -> None:
        super().__init__()
        self._add = add

    def expand(self, tagged: beam.PCollection[TaggedBatch]) -> beam.PCollection[tuple[str, dict[str, Any]]]:
        """Measures batches, then merges."""
        return (
            tagged
            | 'ByMonth' >> beam.FlatMap(by_month).with_output_types(tuple[str, TaggedBatch])
            | 'Measure' >> beam.CombinePerKey(self._add)
            | 'ToFigures' >> beam.MapTuple(lambda month, metrics: (month, figures_of(metrics)))
        )


def figures_of(metrics: Metrics) -> dict[str, Any]:
    """Returns what is told of a month."""
    result = metrics.result()
    return {name: result[name] for name in FIGURES}


def spelled_ngrams(export: Export) -> list[str]:
    """Returns the spelling of the n-grams that profiles count, in the order of their ids."""
    import tensorflow as tf

    # Among the variables, which can be read without the graph.
    with scratch.fetched(outputs.join(export.path, 'variables')) as folder:
        checkpoint = tf.train.load_checkpoint(outputs.join(folder, 'variables'))
        names = checkpoint.get_tensor('_ngrams/.ATTRIBUTES/VARIABLE_VALUE')[: features.MOST_FREQUENT_NGRAMS]
    return [name.decode() for name in names.tolist()]
