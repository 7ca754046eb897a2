"""Divides papers into train, validation and test, each label set in the same proportion.

The papers of a label set are ordered by a keyed hash of their ids; the first are for testing, the next for
validation, the rest for training. How many depends on the label set's own size, rounded up or down by a hash of its
name. So a paper's place depends on the papers with its own label set alone, with one exception: where rounding left a
label that spreads over many small label sets too far from its share, as few roundings as that takes are turned.
"""

from __future__ import annotations

import collections
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipeline.config import SplitConfig
from pipeline.hashing import HASH_BITS, keyed_hash
from pipeline.index import INDEX, PLACES, Part, Rows, label_set_hash, parts, rows_of
from pipeline.label_sets import DropRareLabelSets
from pipeline.tally import Counts, Tally
from schemas.errors import JobError
from schemas.features import SPLITS

_TRAIN, _VALIDATION, _TEST = (SPLITS.index(split) for split in ('train', 'validation', 'test'))

# A quota takes some 50 bytes in an element, most of them for the name.
_QUOTAS_PER_ELEMENT = 20_000


class Quota(NamedTuple):
    """How many papers of a label set are for testing and for validation."""

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


def divide(rows: Rows, quotas_: Mapping[int, Quota], seed: int) -> tuple[Rows, npt.NDArray[np.uint8]]:
    """Divides the papers of label sets by `order_hash`: the first ones fill the quota for testing, and so on.

    Args:
        rows: INDEX [n], in any order; all papers of each label set that they hold, no id twice.
        quotas_: hash of a label set -> quota. Papers of other label sets are left out.
        seed: chooses the order.

    Returns:
        INDEX [m], label set by label set, and uint8 [m], the split of each as a position in `SPLITS`.
    """
    rows = rows[np.lexsort((rows['id_high'], order_hash(rows['id_low'], seed), rows['label_set']))]
    label_sets, starts, papers = np.unique(rows['label_set'], return_index=True, return_counts=True)
    # No rank is below 0 papers: what has no quota would be for training, were it not left out.
    found = [quotas_.get(hash_) for hash_ in label_sets.tolist()]
    test, validation = np.array([quota or (0, 0) for quota in found], np.int64).reshape(-1, 2).T
    rank = np.arange(len(rows)) - np.repeat(starts, papers)
    splits = np.full(len(rows), _TRAIN, np.uint8)
    splits[rank < np.repeat(test + validation, papers)] = _VALIDATION
    splits[rank < np.repeat(test, papers)] = _TEST
    kept = np.repeat(np.array([quota is not None for quota in found], bool), papers)
    return rows[kept], splits[kept]


def order_hash(ids: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Hashes 64-bit hashes again, for the order of the papers of a label set: another one for each seed.

    This is a bijection, the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014; its constants are David Stafford's "Mix13"), after adding a keyed hash of the seed.

    Args:
        ids: uint64 [n].
        seed: any integer.

    Returns:
        uint64 [n].
    """
    mixed = ids + np.uint64(keyed_hash('', f'split {seed}'))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class SplitRows(NamedTuple):
    """Outputs of `SplitByLabelSet`.

    Attributes:
        places: id of a block -> PLACES rows, in ascending order of `row`; one element a block that has any.
        tallies: papers of rare label sets, papers by split, and papers by label and split.
    """

    places: beam.PCollection[Part]
    tallies: beam.PCollection[Tally]


class SplitByLabelSet(beam.PTransform[Any, Any]):
    """Drops papers with rare label sets, and divides the others into the three splits, stratified by label set.

    Inputs: chunks of INDEX rows, without duplicates, and label sets by their hashes, one dict a block or so.
    Outputs: see `SplitRows`. Counter: label_sets/dropped_papers.

    A worker holds all rows of a part of the label sets. Among ten million papers the most frequent one of arXiv has
    11 MB (its share of 1986 to 2019, 1.6 %) to 115 MB of rows (of 2025, 17 %); were there but one label set, it would
    have 680 MB. One worker decides the quotas of all label sets that are not rare: 14,000 among 545,000 papers.

    Args:
        config: how papers are divided.
        min_papers: label sets with fewer papers are rare.
        partitions: into how many parts the label sets are divided by their hashes.
    """

    def __init__(self, config: SplitConfig, min_papers: int, partitions: int) -> None:
        super().__init__()
        self._config = config
        self._min_papers = min_papers
        self._partitions = partitions

    def expand(self, inputs: tuple[beam.PCollection[bytes], beam.PCollection[dict[int, str]]]) -> SplitRows:
        """Counts, decides and divides."""
        rows = inputs[0]
        label_sets = inputs | 'DropRareLabelSets' >> DropRareLabelSets(self._min_papers, self._partitions)
        quotas_ = (
            rows.pipeline
            | 'Once' >> beam.Create([None])
            | 'Quotas' >> beam.FlatMap(_quotas_by_hash, beam.pvalue.AsList(label_sets.kept), self._config)
        )
        outputs = (
            rows
            | 'PartByLabelSet' >> beam.FlatMap(_parts_by_label_set, self._partitions).with_output_types(Part)
            | 'GroupByLabelSet' >> beam.GroupByKey()
            | 'Divide'
            >> beam.ParDo(_Divide(self._config.seed, self._partitions), beam.pvalue.AsList(quotas_)).with_outputs(
                'tallies', main='places'
            )
        )
        divided = outputs.places
        divided.element_type = beam.typehints.Tuple[int, bytes]
        places = (
            divided
            | 'GroupByBlock' >> beam.GroupByKey()
            | 'SortByRow' >> beam.MapTuple(_sorted_by_row).with_output_types(Part)
        )
        tallies = (label_sets.tallies, outputs.tallies) | 'Tallies' >> beam.Flatten()
        return SplitRows(places, tallies)


_Quotas = dict[int, tuple[str, int, int]]
"""Hash of a label set -> its name, and its papers for testing and for validation."""


class _Divide(beam.DoFn):
    def __init__(self, seed: int, partitions: int) -> None:
        self._seed = seed
        self._partitions = partitions
        self._counts = Counts()

    def process(self, part: tuple[int, Iterable[bytes]], quotas_: list[_Quotas]) -> Iterator[Any]:
        mine = [
            (hash_, quota) for some in quotas_ for hash_, quota in some.items() if hash_ % self._partitions == part[0]
        ]
        by_hash = {hash_: Quota(test, validation) for hash_, (_, test, validation) in mine}
        rows, splits = divide(rows_of(part[1], INDEX), by_hash, self._seed)
        places = np.empty(len(rows), PLACES)
        places['row'], places['split'] = rows['row'], splits
        yield from parts(places, rows['block'])
        self._count(rows['label_set'], splits, {hash_: name for hash_, (name, _, _) in mine})

    def finish_bundle(self) -> Iterator[Any]:
        for tally in self._counts.flush():
            yield beam.pvalue.TaggedOutput('tallies', tally)

    def _count(
        self, label_sets: npt.NDArray[np.uint64], splits: npt.NDArray[np.uint8], names: Mapping[int, str]
    ) -> None:
        distinct, group = np.unique(label_sets, return_inverse=True)
        papers = np.bincount(group * len(SPLITS) + splits, minlength=len(distinct) * len(SPLITS))
        for at in np.flatnonzero(papers).tolist():
            split, number = SPLITS[at % len(SPLITS)], int(papers[at])
            self._counts['splits', split] += number
            for label in names[int(distinct[at // len(SPLITS)])].split():
                self._counts['labels', label, split] += number


def _quotas_by_hash(_: None, label_sets: list[dict[str, int]], config: SplitConfig) -> Iterator[_Quotas]:
    counts = {name: papers for some in label_sets for name, papers in some.items()}
    found = iter(quotas(counts, config).items())
    while some := dict(itertools.islice(found, _QUOTAS_PER_ELEMENT)):
        yield {label_set_hash(name): (name, *quota) for name, quota in some.items()}


def _parts_by_label_set(chunk: bytes, partitions: int) -> Iterator[Part]:
    rows = rows_of([chunk], INDEX)
    return parts(rows, rows['label_set'] % np.uint64(partitions))


def _sorted_by_row(block: int, chunks: Iterable[bytes]) -> Part:
    places = rows_of(chunks, PLACES)
    return block, places[np.argsort(places['row'])].tobytes()


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
