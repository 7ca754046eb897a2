"""Counts how many papers have each combination of labels, and drops the combinations too rare to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics

from pipeline.index import INDEX, Part, Rows, parts, rows_of
from pipeline.tally import Tally
from schemas.errors import JobError

COUNTS = np.dtype([('label_set', '<u8'), ('papers', '<i8')])
"""The papers of one label set."""

# A label set of arXiv takes some 40 bytes in an element.
_LABEL_SETS_PER_ELEMENT = 20_000


def count_label_sets(rows: Rows) -> Rows:
    """Counts the papers of each label set.

    Args:
        rows: INDEX [n].

    Returns:
        COUNTS [number of distinct label sets], in ascending order of their hashes.
    """
    label_sets, papers = np.unique(rows['label_set'], return_counts=True)
    counts = np.empty(len(label_sets), COUNTS)
    counts['label_set'], counts['papers'] = label_sets, papers
    return counts


def sum_counts(counts: Rows) -> Rows:
    """Sums the counts of each label set: COUNTS [n], in any order, to COUNTS [distinct], in ascending order."""
    label_sets, group = np.unique(counts['label_set'], return_inverse=True)
    sums = np.zeros(len(label_sets), COUNTS)
    sums['label_set'] = label_sets
    np.add.at(sums['papers'], group, counts['papers'])
    return sums


def merge_names(names: Iterable[Mapping[int, str]]) -> dict[int, str]:
    """Merges what label sets' hashes stand for.

    Raises:
        JobError: if one hash stands for two label sets.
    """
    merged: dict[int, str] = {}
    for some in names:
        for hash_, name in some.items():
            if merged.setdefault(hash_, name) != name:
                raise JobError(
                    f'The label sets "{merged[hash_]}" and "{name}" have the same hash, {hash_}, so that their papers '
                    'cannot be told apart. Please report this; without the papers of one of the two the job runs.'
                )
    return merged


class KeptLabelSets(NamedTuple):
    """Outputs of `DropRareLabelSets`.

    Attributes:
        kept: label set -> papers, each label set in one of the dicts.
        tallies: how many papers have the others.
    """

    kept: beam.PCollection[dict[str, int]]
    tallies: beam.PCollection[Tally]


class DropRareLabelSets(beam.PTransform[Any, Any]):
    """Counts the papers of each label set, and drops the label sets that fewer than `min_papers` papers have.

    Inputs: chunks of INDEX rows, and label sets by their hashes, one dict a block or so: they may overlap.
    Outputs: see `KeptLabelSets`. Counter: label_sets/dropped_papers.

    Args:
        min_papers: see above.
        partitions: into how many parts the label sets are divided by their hashes.
    """

    def __init__(self, min_papers: int, partitions: int) -> None:
        super().__init__()
        self._min_papers = min_papers
        self._partitions = partitions

    def expand(self, inputs: tuple[beam.PCollection[bytes], beam.PCollection[dict[int, str]]]) -> KeptLabelSets:
        """Counts and drops."""
        rows, names = inputs
        counted = rows | 'Count' >> beam.FlatMap(_count_parts, self._partitions).with_output_types(Part)
        named = names | 'PartNames' >> beam.FlatMap(_name_parts, self._partitions).with_output_types(
            tuple[int, dict[int, str]]
        )
        outputs = (
            {'counts': counted, 'names': named}
            | 'GroupLabelSets' >> beam.CoGroupByKey()
            | 'DropRare' >> beam.ParDo(_DropRare(self._min_papers)).with_outputs('tallies', main='kept')
        )
        return KeptLabelSets(outputs.kept, outputs.tallies)


class _DropRare(beam.DoFn):
    def __init__(self, min_papers: int) -> None:
        self._min_papers = min_papers
        self._dropped = Metrics.counter('label_sets', 'dropped_papers')

    def process(self, part: tuple[int, Mapping[str, Iterable[Any]]]) -> Iterator[Any]:
        counts = sum_counts(rows_of(part[1]['counts'], COUNTS))
        names = merge_names(part[1]['names'])
        frequent = counts['papers'] >= self._min_papers
        kept = counts[frequent]
        for start in range(0, len(kept), _LABEL_SETS_PER_ELEMENT):
            yield {names[hash_]: papers for hash_, papers in kept[start : start + _LABEL_SETS_PER_ELEMENT].tolist()}
        dropped = int(counts['papers'][~frequent].sum())
        if dropped:
            self._dropped.inc(dropped)
            yield beam.pvalue.TaggedOutput('tallies', (('dropped_rare_label_set',), dropped))


def _count_parts(chunk: bytes, partitions: int) -> Iterator[Part]:
    counts = count_label_sets(rows_of([chunk], INDEX))
    return parts(counts, counts['label_set'] % np.uint64(partitions))


def _name_parts(names: Mapping[int, str], partitions: int) -> Iterator[tuple[int, dict[int, str]]]:
    by_partition: dict[int, dict[int, str]] = {}
    for hash_, name in names.items():
        by_partition.setdefault(hash_ % partitions, {})[hash_] = name
    yield from by_partition.items()
