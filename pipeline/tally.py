"""Exact counts of what happened to the records, as ordinary elements of the pipeline.

Beam's own metrics may count a bundle twice when a worker fails; these cannot, because they are results like any other.
A tally is a path of names and a number: (('rejected', 'missing_title'), 3).
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.utils.windowed_value import WindowedValue

Tally = tuple[tuple[str, ...], int]


class Counts(collections.Counter[tuple[str, ...]]):
    """What a bundle has counted so far, to be emitted when it ends."""

    def flush(self) -> Iterator[WindowedValue]:
        """Yields the tallies and forgets them; for a DoFn's finish_bundle."""
        for path, count in self.items():
            yield WindowedValue((path, count), 0, (window.GlobalWindow(),))
        self.clear()


def nested(tallies: Iterable[Tally]) -> dict[str, Any]:
    """Makes a tree of sorted names of the paths.

    >>> nested([(('rejected', 'too_long'), 2), (('read',), 9)])
    {'read': 9, 'rejected': {'too_long': 2}}
    """
    tree: dict[str, Any] = {}
    for path, count in sorted(tallies):
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = count
    return tree


class SumTallies(beam.PTransform[Any, Any]):
    """Flattens PCollections of tallies and sums those of one path. Output: one dict, path -> count."""

    def expand(self, tallies: tuple[beam.PCollection[Tally], ...]) -> beam.PCollection[dict[tuple[str, ...], int]]:
        """Sums the tallies."""
        return (
            tallies
            | 'Flatten' >> beam.Flatten()
            | 'SumByPath' >> beam.CombinePerKey(sum)
            | 'Gather' >> beam.combiners.ToDict()
        )
