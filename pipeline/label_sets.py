"""Drops papers whose combination of labels is too rare to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipeline.deduplicate import KeptPapers
from schemas.paper import Paper


def label_set(paper: Paper) -> str:
    """Returns the paper's labels as one string, a key.

    >>> label_set(Paper('1', 'T', 'A', labels=('cs.LG', 'stat.ML')))
    'cs.LG stat.ML'
    """
    return ' '.join(paper.labels)


class CountLabelSets(beam.PTransform[Any, Any]):
    """Counts the papers of each label set. Output: one dict, label set -> papers."""

    def expand(self, papers: beam.PCollection[Paper]) -> beam.PCollection[dict[str, int]]:
        """Counts."""
        return (
            papers
            | 'LabelSet' >> beam.Map(label_set).with_output_types(str)
            | 'Count' >> beam.combiners.Count.PerElement()
            | 'Gather' >> beam.combiners.ToDict()
        )


class DropRareLabelSets(beam.PTransform[Any, Any]):
    """Drops papers whose label set fewer than `min_papers` papers have.

    Outputs: see `KeptPapers`. Counter: label_sets/dropped_papers.
    """

    def __init__(self, min_papers: int) -> None:
        super().__init__()
        self._min_papers = min_papers

    def expand(self, papers: beam.PCollection[Paper]) -> KeptPapers:
        """Counts and drops."""
        counts = papers | 'CountLabelSets' >> CountLabelSets()
        outputs = papers | 'DropRare' >> beam.ParDo(
            _DropRare(self._min_papers), beam.pvalue.AsSingleton(counts)
        ).with_outputs('tallies', main='kept')
        kept = outputs.kept
        kept.element_type = Paper
        return KeptPapers(kept, outputs.tallies)


class _DropRare(beam.DoFn):
    def __init__(self, min_papers: int) -> None:
        self._min_papers = min_papers
        self._dropped = Metrics.counter('label_sets', 'dropped_papers')

    def process(self, paper: Paper, counts: dict[str, int]) -> Iterator[Any]:
        if counts[label_set(paper)] >= self._min_papers:
            yield paper
        else:
            self._dropped.inc()
            yield beam.pvalue.TaggedOutput('tallies', (('dropped_rare_label_set',), 1))
