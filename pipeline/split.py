"""Divides papers into train, validation and test, each label set in the same proportion.

The papers of a label set are ordered by a keyed hash of their ids; the first are for testing, the next for
validation, the rest for training. How many depends on the label set's own size, rounded up or down by a hash of its
name. So a paper's place depends on the papers with its own label set alone, with one exception: where rounding left a
label that spreads over many small label sets too far from its share, as few roundings as that takes are turned.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np

from pipeline.config import SplitConfig
from pipeline.hashing import HASH_BITS, keyed_hash
from pipeline.label_sets import CountLabelSets, label_set
from pipeline.tally import Tally
from schemas.errors import JobError
from schemas.features import SPLITS
from schemas.paper import Paper

_ABOVE_EVERY_HASH = 1 << HASH_BITS


class Quota(NamedTuple):
    """How many papers of a label set are for testing and for validation."""

    test: int
    validation: int


class Cuts(NamedTuple):
    """Papers whose hash lies below `test` are for testing, others below `validation` for validation."""

    test: int
    validation: int


def quotas(counts: Mapping[str, int], config: SplitConfig) -> dict[str, Quota]:
    """Decides how many papers of each label set go where.

    Args:
        counts: label set -> papers.
        config: the shares, the seed and the tolerance.

    Returns:
        Label set -> quota. Each is its share of the papers, rounded up or down; for every label of at least
        `config.tolerance_papers` papers, the share of all its papers lies within `config.tolerance` of the goal,
        wherever turning roundings can bring that about.

    Raises:
        JobError: if there are no papers.
    """
    if not counts:
        raise JobError(
            'No paper is left: each label set has fewer papers than --min_label_set_papers. '
            'Say --min_label_set_papers 1 to keep them all.'
        )
    test = _rounded(counts, config, 'test', config.test, taken={})
    validation = _rounded(counts, config, 'validation', config.validation, taken=test)
    return {name: Quota(test[name], validation[name]) for name in counts}


def cuts(hashes: Iterable[int], quota: Quota) -> Cuts:
    """Returns the hashes that divide a label set's papers so that each part has its quota.

    >>> cuts([40, 10, 30, 20], Quota(test=1, validation=2))
    Cuts(test=20, validation=40)
    """
    ordered = np.sort(np.fromiter(hashes, np.int64))

    def below(rank: int) -> int:
        return int(ordered[rank]) if rank < len(ordered) else _ABOVE_EVERY_HASH

    return Cuts(below(quota.test), below(quota.test + quota.validation))


def split_of(paper_hash: int, cuts_: Cuts) -> str:
    """Returns the split of a paper: 'train', 'validation' or 'test'."""
    if paper_hash < cuts_.test:
        return 'test'
    return 'validation' if paper_hash < cuts_.validation else 'train'


class SplitPapers(NamedTuple):
    """Outputs of `SplitByLabelSet`: papers by split, and `tallies` per split and label."""

    by_split: dict[str, beam.PCollection[Paper]]
    tallies: beam.PCollection[Tally]


class SplitByLabelSet(beam.PTransform[Any, Any]):
    """Divides papers into the three splits, stratified by label set. Outputs: see `SplitPapers`.

    What is grouped are 62-bit hashes, not papers: the most frequent label set of ten million papers takes 80 MB.
    """

    def __init__(self, config: SplitConfig) -> None:
        super().__init__()
        self._config = config

    def expand(self, papers: beam.PCollection[Paper]) -> SplitPapers:
        """Counts, cuts and divides."""
        key = f'split {self._config.seed}'
        quotas_ = papers | 'CountLabelSets' >> CountLabelSets() | 'Quotas' >> beam.Map(quotas, self._config)
        cuts_ = (
            papers
            | 'HashOfLabelSet' >> beam.Map(_label_set_and_hash, key).with_output_types(tuple[str, int])
            | 'GroupHashes' >> beam.GroupByKey()
            | 'Cuts' >> beam.Map(_label_set_cuts, beam.pvalue.AsSingleton(quotas_))
        )
        outputs = papers | 'Divide' >> beam.ParDo(_Divide(key), beam.pvalue.AsDict(cuts_)).with_outputs(
            *SPLITS, 'tallies'
        )
        by_split = {split: outputs[split] for split in SPLITS}
        for part in by_split.values():
            part.element_type = Paper
        return SplitPapers(by_split, outputs['tallies'])


class _Divide(beam.DoFn):
    def __init__(self, key: str) -> None:
        self._key = key

    def process(self, paper: Paper, cuts_: Mapping[str, Cuts]) -> Iterator[Any]:
        split = split_of(keyed_hash(paper.id, self._key), cuts_[label_set(paper)])
        yield beam.pvalue.TaggedOutput(split, paper)
        yield beam.pvalue.TaggedOutput('tallies', (('splits', split), 1))
        for label in paper.labels:
            yield beam.pvalue.TaggedOutput('tallies', (('labels', label, split), 1))


def _label_set_and_hash(paper: Paper, key: str) -> tuple[str, int]:
    return label_set(paper), keyed_hash(paper.id, key)


def _label_set_cuts(group: tuple[str, Iterable[int]], quotas_: Mapping[str, Quota]) -> tuple[str, Cuts]:
    name, hashes = group
    return name, cuts(hashes, quotas_[name])


def _rounded(
    counts: Mapping[str, int], config: SplitConfig, part: str, fraction: float, taken: Mapping[str, int]
) -> dict[str, int]:
    """Rounds each label set's share by its hash, then turns the roundings that `_turn_roundings` picks."""
    order = {name: keyed_hash(name, f'{part} {config.seed}') for name in counts}
    low = {name: math.floor(papers * fraction) for name, papers in counts.items()}
    high = {name: min(low[name] + 1, papers - taken.get(name, 0)) for name, papers in counts.items()}
    chosen = {
        name: min(math.floor(papers * fraction + order[name] / 2**HASH_BITS), high[name])
        for name, papers in counts.items()
    }
    if config.tolerance < 1:
        _turn_roundings(chosen, counts, low, high, sorted(counts, key=order.__getitem__), fraction, config)
    return chosen


def _turn_roundings(
    chosen: dict[str, int],
    counts: Mapping[str, int],
    low: Mapping[str, int],
    high: Mapping[str, int],
    order: list[str],
    fraction: float,
    config: SplitConfig,
) -> None:
    """Moves roundings in `chosen` until every frequent label's share is tolerable, or no move helps."""
    members: dict[str, list[str]] = collections.defaultdict(list)
    for name in order:
        for label in name.split():
            members[label].append(name)
    papers = {label: sum(counts[name] for name in names) for label, names in members.items()}
    chosen_papers = {label: sum(chosen[name] for name in names) for label, names in members.items()}
    frequent = sorted(
        (label for label in papers if papers[label] >= config.tolerance_papers), key=lambda x: (papers[x], x)
    )

    def excess(label: str, step: int = 0) -> float:
        """By how many papers the label is outside the tolerance, above (> 0) or below (< 0); 0 if inside."""
        off = chosen_papers[label] + step - fraction * papers[label]
        # A hundredth inside the tolerance, so that no reader's rounding can see it passed.
        return math.copysign(max(abs(off) - 0.99 * config.tolerance * papers[label], 0.0), off)

    def helps(label: str, name: str, step: int) -> bool:
        return abs(excess(label, step)) < abs(excess(label)) and not any(
            abs(excess(other, step)) > abs(excess(other))
            for other in name.split()
            if papers[other] >= config.tolerance_papers
        )

    moved = True
    while moved:
        moved = False
        for label in frequent:
            for name in members[label]:
                if not excess(label):
                    break
                step = -1 if excess(label) > 0 else 1
                if low[name] <= chosen[name] + step <= high[name] and helps(label, name, step):
                    chosen[name] += step
                    for other in name.split():
                        chosen_papers[other] += step
                    moved = True
