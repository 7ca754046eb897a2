"""Measures how far papers are from those that a model was measured on, when nothing happened and when much did.

    benchmarks/drift.py --model_dir MODEL --data_dir DATA --input 'arxiv-1986-2019/*' --new 'arxiv-2025-2026/*'

The thresholds of `schemas/drift.py` rest on this: README.md beside this file says how.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import math
import pathlib
import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import machine
import numpy as np
from prepared import ids_and_labels, read_papers
from report import heading, table
from sections import write_section

from pipeline.exports import Export, LoadedExport, newest_export
from pipeline.hashing import keyed_hash
from pipeline.profiles import reference_profile
from schemas import drift, features
from schemas.paper import Paper
from schemas.profile import LABELS_A_PAPER, Profile
from trainer.prepared import open_prepared

_BATCH = 500
# Random samples are made of so many papers at a time.
_CHUNK = 100
_SAMPLES = 200
_SIZES = (200, 500, 1000, 5000)
# Chance hides what smaller months differ by.
_MONTH_PAPERS = 1000

_NAMES = {
    'out_of_vocabulary': 'share of unknown n-grams',
    'length': 'words',
    'best_score': 'best score',
    'accepted_labels': 'accepted labels',
    'first_labels': 'best label',
    'ngrams': 'frequent n-grams',
}

Pair = tuple[Profile, Profile]


class Profiles(NamedTuple):
    """What was counted.

    Attributes:
        reference: of the held-out papers that the export remembers.
        old_months: of all papers that the model's were taken from, by month of the last change.
        test: of the test papers, _CHUNK at a time, at random.
        new_months: of papers of later years, by month.
        new: the same papers, _CHUNK at a time, at random.
    """

    reference: Profile
    old_months: dict[str, Profile]
    test: list[Profile]
    new_months: dict[str, Profile]
    new: list[Profile]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs everything and writes the section."""
    arguments = _flags().parse_args(argv)
    export = newest_export(arguments.model_dir)
    held_out = set(ids_and_labels(open_prepared(arguments.data_dir), 'test')[0])
    count = _counter(export)
    old, new = (list(read_papers(patterns).values()) for patterns in (arguments.input, arguments.new))
    profiles = Profiles(
        reference=reference_profile(export),
        old_months=count(_by_month(old)),
        test=list(count(_chunks(paper for paper in old if paper.id in held_out)).values()),
        new_months=count(_by_month(new)),
        new=list(count(_chunks(new)).values()),
    )
    text = render(profiles, arguments, machine.versions())
    write_section(arguments.output, 'drift', text)
    print(f'benchmarks: {arguments.output}', file=sys.stderr)


def render(profiles: Profiles, arguments: argparse.Namespace, versions: str) -> str:
    """Makes the section."""
    old, new = (_large(months, _MONTH_PAPERS) for months in (profiles.old_months, profiles.new_months))
    judged = _large(profiles.new_months, drift.MIN_PAPERS)
    test, whole = merged(profiles.test), merged(profiles.new)
    sampled = random.Random(0)
    halves = [_halves(profiles.test, sampled) for _ in range(_SAMPLES)]
    neighbours, new_neighbours = (list(itertools.pairwise(months.values())) for months in (old, new))
    columns = {
        'reference and test papers': [(profiles.reference, test)],
        'random halves of the test papers': halves,
        'neighbouring months': neighbours,
        'neighbouring months of 2025 and 2026': new_neighbours,
        'reference and a month of 2025 and 2026': [(profiles.reference, month) for month in judged.values()],
        'reference and all of 2025 and 2026': [(profiles.reference, whole)],
    }
    return '\n\n'.join(
        [
            heading('When to distrust a model', 'drift.py'),
            '\n'.join(
                [
                    f'- Model: trained on {", ".join(map(_short, arguments.input))}; its reference are '
                    f'{profiles.reference.papers:,} validation papers. Test papers: {test.papers:,}.',
                    f'- New: {", ".join(map(_short, arguments.new))}, {whole.papers:,} papers.',
                    f'- Months with {_MONTH_PAPERS:,} papers or more: {len(old)} of the old, {min(old)} to {max(old)}; '
                    f'{len(new)} of the new. {_SAMPLES} random halves.',
                    f'- Versions: {versions}.',
                ]
            ),
            '## Jensen-Shannon distance, median and 99th percentile',
            _spread(columns, 'jensen_shannon_distance', 3),
            '## Population stability index, median and 99th percentile',
            _spread(columns, 'population_stability_index', 4),
            '## What remains of neighbouring months without chance, and the thresholds made of it',
            _bases(neighbours),
            '## Comparisons that are flagged',
            _flagged(profiles, halves, old, judged, sampled),
            '## Years before 2020, each month against the reference: share of the months that is flagged',
            _years(profiles),
        ]
    )


def merged(profiles: Iterable[Profile]) -> Profile:
    """Merges profiles, of which there must be one."""
    first, *others = profiles
    whole = Profile.empty(len(first.ngram_papers))
    for profile in (first, *others):
        whole.merge(profile)
    return whole


def without_chance(pair: Pair, name: str) -> drift.Base:
    """Returns by how much two sides differ beyond what chance alone is expected to make of it.

    PSI less its expectation (cells - 1) (1/n + 1/m); the square of the distance less that / (8 ln 2).
    """
    known, found = drift.cells(name, *pair)
    chance = (np.count_nonzero(known + found) - 1) * (1 / known.sum() + 1 / found.sum())
    squared = drift.jensen_shannon_distance(known, found) ** 2 - chance / (8 * math.log(2))
    return drift.Base(math.sqrt(max(squared, 0.0)), max(drift.population_stability_index(known, found) - chance, 0.0))


def _spread(columns: Mapping[str, Sequence[Pair]], field: str, digits: int) -> str:
    reports = {column: [drift.compare(*pair)['measures'] for pair in pairs] for column, pairs in columns.items()}
    rows = []
    for name, called in _NAMES.items():
        row = [called]
        for measures in reports.values():
            values = [measure[name][field] for measure in measures]
            median = f'{np.median(values):.{digits}f}'
            row.append(f'{median}, {np.percentile(values, 99):.{digits}f}' if len(values) > 1 else median)
        rows.append(row)
    return table(['', *columns], rows)


def _bases(neighbours: Sequence[Pair]) -> str:
    rows = []
    for name, called in _NAMES.items():
        found = [without_chance(pair, name) for pair in neighbours]
        distance, psi = (float(np.percentile([getattr(one, side) for one in found], 99)) for side in drift.Base._fields)
        base = drift.BASES[name]
        rows.append(
            [
                *(called, f'{distance:.4f}', f'{2 * distance:.3f}', f'**{base.distance:.3f}**'),
                *(f'{psi:.4f}', f'{4 * psi:.3f}', f'**{base.psi:.3f}**'),
            ]
        )
    header = ['', 'distance, 99th percentile', 'twice that', 'in use', 'PSI, 99th percentile', '4 times that', 'in use']
    return table(header, rows)


def _flagged(
    profiles: Profiles, halves: Sequence[Pair], old: Mapping[str, Profile], judged: Mapping[str, Profile], sampled: Any
) -> str:
    def samples(chunks: Sequence[Profile], papers: int) -> list[Pair]:
        return [(profiles.reference, merged(sampled.sample(chunks, papers // _CHUNK))) for _ in range(_SAMPLES)]

    comparisons = {
        'the test papers against the reference': [(profiles.reference, merged(profiles.test))],
        'a random half of the test papers against the other': halves,
        **{f'{papers:,} random test papers against the reference': samples(profiles.test, papers) for papers in _SIZES},
        'a month before 2020 against the one before': list(itertools.pairwise(old.values())),
        **{f'{papers:,} random papers of 2025 and 2026': samples(profiles.new, papers) for papers in _SIZES},
        f'a month of 2025 and 2026 ({drift.MIN_PAPERS} papers or more)': [
            (profiles.reference, month) for month in judged.values()
        ],
        'all of 2025 and 2026': [(profiles.reference, merged(profiles.new))],
    }
    rows = []
    for what, pairs in comparisons.items():
        reports = [drift.compare(*pair) for pair in pairs]
        by_measure = (sum(name in report['drifted'] for report in reports) for name in _NAMES)
        flagged = sum(bool(report['drifted']) for report in reports)
        rows.append([what, str(len(reports)), str(flagged), *map(str, by_measure)])
    return table(['', 'comparisons', 'flagged', *_NAMES.values()], rows)


def _years(profiles: Profiles) -> str:
    years: dict[str, list[Profile]] = collections.defaultdict(list)
    for month, profile in _large(profiles.old_months, drift.MIN_PAPERS).items():
        years[month[:4]].append(profile)
    rows = []
    for year, months in years.items():
        reports = [drift.compare(profiles.reference, month) for month in months]
        shares = (sum(name in report['drifted'] for report in reports) / len(reports) for name in _NAMES)
        rows.append([year, str(len(months)), *(f'{share:.0%}' for share in shares)])
    return table(['', 'months', *_NAMES.values()], rows)


def _counter(export: Export) -> Callable[[Mapping[Any, Sequence[Paper]]], dict[Any, Profile]]:
    loaded = LoadedExport(export)
    ngrams = len(reference_profile(export).ngram_papers)

    def profile(papers: Sequence[Paper]) -> Profile:
        counted = Profile.empty(ngrams)
        for start in range(0, len(papers), _BATCH):
            batch = papers[start : start + _BATCH]
            texts = ([getattr(paper, name).encode() for paper in batch] for name in ('title', 'abstract'))
            counted.add(loaded.call(features.TAG_SIGNATURE, *texts, k=LABELS_A_PAPER))
        return counted

    def count(groups: Mapping[Any, Sequence[Paper]]) -> dict[Any, Profile]:
        return {name: profile(groups[name]) for name in sorted(groups)}

    return count


def _by_month(papers: Iterable[Paper]) -> dict[str, list[Paper]]:
    months: dict[str, list[Paper]] = collections.defaultdict(list)
    for paper in papers:
        months[paper.updated[:7]].append(paper)
    return months


def _chunks(papers: Iterable[Paper]) -> dict[int, list[Paper]]:
    shuffled = sorted(papers, key=lambda paper: keyed_hash(paper.id, 'drift'))
    return {start: shuffled[start : start + _CHUNK] for start in range(0, len(shuffled) - _CHUNK + 1, _CHUNK)}


def _halves(chunks: Sequence[Profile], sampled: random.Random) -> Pair:
    shuffled = sampled.sample(chunks, len(chunks))
    middle = len(chunks) // 2
    return merged(shuffled[:middle]), merged(shuffled[middle:])


def _large(months: Mapping[str, Profile], papers: int) -> dict[str, Profile]:
    return {month: profile for month, profile in months.items() if profile.papers >= papers}


def _short(pattern: str) -> str:
    return f'`{"/".join(pathlib.Path(pattern).parts[-2:])}`'


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    flags.add_argument('--model_dir', required=True, metavar='DIR', help='output folder of train')
    flags.add_argument('--data_dir', required=True, metavar='DIR', help='what it was trained on')
    flags.add_argument('--input', action='append', required=True, metavar='PATTERN', help='the dumps of that')
    flags.add_argument('--new', action='append', required=True, metavar='PATTERN', help='dumps of later papers')
    flags.add_argument(
        '--output', default=str(pathlib.Path(__file__).with_name('RESULTS.md')), metavar='FILE', help='the report'
    )
    return flags


if __name__ == '__main__':
    main()
