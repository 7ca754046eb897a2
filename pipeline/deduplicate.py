"""Keeps one paper of each group of duplicates."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics

from pipeline.tally import Tally
from schemas.paper import Paper


def newest(papers: Iterable[Paper]) -> Paper:
    """Returns the paper to keep of those that share a key.

    The latest `updated` wins, then the highest version; ties go to the smallest id and then to the smallest content,
    so that the choice depends on the papers alone, never on the order in which a runner delivers them.

    >>> newest([Paper('b', 'T', 'A', updated='2019-01-02'), Paper('a', 'T', 'A', updated='2019-01-02')]).id
    'a'

    Raises:
        ValueError: if `papers` is empty.
    """
    best: Paper | None = None
    for paper in papers:
        if best is None or _is_newer(paper, best):
            best = paper
    if best is None:
        raise ValueError('newest() needs a paper')
    return best


def title_key(title: str) -> str:
    """Returns what two titles share if they differ only in case, white space and punctuation.

    A title of nothing else stands for itself.

    >>> title_key('Multi-Label  Learning: a survey.') == title_key('Multi-label learning - A Survey')
    True
    """
    folded = unicodedata.normalize('NFKC', title).casefold()
    kept = (character for character in folded if unicodedata.category(character)[0] not in 'PZC')
    return ''.join(kept) or title


class KeptPapers(NamedTuple):
    """Outputs of `KeepNewestPapers`: `kept`, one paper a key, and `tallies` of the others."""

    kept: beam.PCollection[Paper]
    tallies: beam.PCollection[Tally]


class KeepNewestPapers(beam.PTransform[Any, Any]):
    """Groups papers by a key and keeps the `newest` of each group.

    Outputs: see `KeptPapers`. Counters: duplicates/kept, duplicates/removed.
    """

    def __init__(self, key: Callable[[Paper], str]) -> None:
        super().__init__()
        self._key = key

    def expand(self, papers: beam.PCollection[Paper]) -> KeptPapers:
        """Groups and keeps."""
        outputs = (
            papers
            | 'KeyByDuplicateKey' >> beam.Map(_keyed, self._key).with_output_types(tuple[str, Paper])
            | 'GroupDuplicates' >> beam.GroupByKey()
            | 'KeepNewest' >> beam.ParDo(_KeepNewest()).with_outputs('tallies', main='kept')
        )
        kept = outputs.kept
        kept.element_type = Paper
        return KeptPapers(kept, outputs.tallies)


class DropDuplicatePapers(beam.PTransform[Any, Any]):
    """Keeps the newest version of each id, and of those one paper a title. Outputs: see `KeptPapers`."""

    def expand(self, papers: beam.PCollection[Paper]) -> KeptPapers:
        """Drops by id, then by title."""
        by_id = papers | 'NewestOfId' >> KeepNewestPapers(key=_id)
        by_title = by_id.kept | 'OneOfTitle' >> KeepNewestPapers(key=_title_key)
        tallies = (by_id.tallies, by_title.tallies) | 'Tallies' >> beam.Flatten()
        return KeptPapers(by_title.kept, tallies)


class _KeepNewest(beam.DoFn):
    def __init__(self) -> None:
        self._kept = Metrics.counter('duplicates', 'kept')
        self._removed = Metrics.counter('duplicates', 'removed')

    def process(self, group: tuple[str, Iterable[Paper]]) -> Iterator[Any]:
        size = 0

        def counted() -> Iterator[Paper]:
            nonlocal size
            for paper in group[1]:
                size += 1
                yield paper

        yield newest(counted())
        self._kept.inc()
        if size > 1:
            self._removed.inc(size - 1)
            yield beam.pvalue.TaggedOutput('tallies', (('duplicates',), size - 1))


def _is_newer(paper: Paper, other: Paper) -> bool:
    age, other_age = (paper.updated, paper.version), (other.updated, other.version)
    if age != other_age:
        return age > other_age
    return (paper.id, paper.title, paper.abstract, paper.labels) < (other.id, other.title, other.abstract, other.labels)


def _keyed(paper: Paper, key: Callable[[Paper], str]) -> tuple[str, Paper]:
    return key(paper), paper


def _id(paper: Paper) -> str:
    return paper.id


def _title_key(paper: Paper) -> str:
    return title_key(paper.title)
