"""How far papers are from those that a model was measured on, and whether that is more than months and chance explain.

Two profiles are compared cell by cell, in two ways that are used for it: the Jensen-Shannon distance, between 0 and 1,
and the population stability index (PSI), which credit scoring knows. For small differences one is a function of the
other: PSI is about 8 ln 2 times the square of the distance.

Why these thresholds: CONTRIBUTING.md; `benchmarks/drift.py` measures what they rest on.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.profile import SCORE_UNITS, Counts, Profile

# Fewer papers are described, not judged: chance alone moves them far.
MIN_PAPERS = 200
# Cells that a histogram is cut into, each of about as many papers of the reference.
CELLS = 10
# Counted into every cell before shares are taken, or an empty one would make the PSI infinite (half a paper, after
# Krichevsky and Trofimov, 1981).
SMOOTHING = 0.5
# Chance alone passes what is allowed for it once in a thousand comparisons: the standard score of that.
_CHANCE = 3.09
_PSI_OF_SQUARED_DISTANCE = 8 * math.log(2)
_MOVED = 10


class Base(NamedTuple):
    """By how much a month may differ from another, chance aside, before it is called drift."""

    distance: float
    psi: float


# Twice the 99th percentile of the distance between neighbouring months of arXiv, chance aside, and four times that of
# the PSI, which goes with the square of the distance: benchmarks/RESULTS.md, "When to distrust a model".
BASES = {
    'out_of_vocabulary': Base(0.115, 0.072),
    'length': Base(0.110, 0.064),
    'best_score': Base(0.111, 0.068),
    'accepted_labels': Base(0.301, 0.487),
    'first_labels': Base(0.404, 0.939),
    'ngrams': Base(0.088, 0.037),
}


def jensen_shannon_distance(reference: npt.ArrayLike, new: npt.ArrayLike) -> float:
    """Returns the square root of the Jensen-Shannon divergence, in bits: 0 for equal shares, 1 for disjoint ones.

    JSD(p, q) = (KL(p, m) + KL(q, m)) / 2, m = (p + q) / 2 (Lin, 1991); its root is a metric (Endres and Schindelin,
    2003).

    >>> jensen_shannon_distance([1, 1], [0, 7]) ** 2  # (1/2 log2 2 + 1/2 log2 2/3 + log2 4/3) / 2
    0.3112781244591328

    Args:
        reference: counts [cells], not all 0.
        new: the same of other papers.

    Raises:
        ValueError: if the counts do not fit together, or all of a side are 0.
    """
    p, q = (side / side.sum() for side in _sides(reference, new))
    m = (p + q) / 2
    divergence = sum(float(np.sum(side[side > 0] * np.log2(side[side > 0] / m[side > 0]))) / 2 for side in (p, q))
    return math.sqrt(min(max(divergence, 0.0), 1.0))


def population_stability_index(reference: npt.ArrayLike, new: npt.ArrayLike) -> float:
    """Returns the PSI: the sum over cells of (q - p) ln(q / p), p and q the shares of the reference and of the new.

    It is the symmetric divergence of Jeffreys (1946); for its use as PSI, and its distribution, see Yurdakul,
    Statistical Properties of Population Stability Index (2018). SMOOTHING is added to each count, cells that are empty
    on both sides aside.

    >>> round(population_stability_index([49.5, 49.5], [24.5, 74.5]), 6) == round(0.5 * math.log(3) / 2, 6)
    True

    Args:
        reference: counts [cells], not all 0.
        new: the same of other papers.

    Raises:
        ValueError: if the counts do not fit together, or all of a side are 0.
    """
    p, q = _sides(reference, new)
    some = p + q > 0
    p, q = (side[some] + SMOOTHING for side in (p, q))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def chance_psi(cells: int, reference: int, new: int) -> float:
    """Returns the PSI that two samples of the same papers exceed once in a thousand times.

    PSI is distributed as (1/n + 1/m) chi-squared with cells - 1 degrees of freedom (Yurdakul, 2018); its quantile after
    Wilson and Hilferty (1931). Where a paper falls into several cells (labels, n-grams), n and m are occurrences: if
    c_i of n papers are in cell i, and T = sum c_i, then the expectation of the PSI between the sample and what it is
    taken from is, to first order, (sum_i (1 - c_i/n) - Var(T)/T) / T: less than cells / T, however cells go together.

    >>> round(chance_psi(10, 1000, 1000), 3)  # 27.88 * 2 / 1000
    0.056

    Args:
        cells: in how many cells papers are.
        reference: papers, or occurrences, on one side.
        new: the same of the other.
    """
    freedom = max(cells - 1, 1)
    shrink = 2 / (9 * freedom)
    chi_squared = freedom * (1 - shrink + _CHANCE * math.sqrt(shrink)) ** 3
    return chi_squared * (1 / reference + 1 / new)


def compare(reference: Profile, new: Profile) -> dict[str, Any]:
    """Compares papers with those that a model was measured on.

    Args:
        reference: of the papers that the model was measured on.
        new: of other papers, as the same model tags them.

    Returns:
        What drift.schema.json describes: `reference_papers`, `papers`, `judged`, `drifted` (names of measures),
        `measures` and what moved most: `labels` and `ngrams`.

    Raises:
        ValueError: if the profiles count different numbers of n-grams.
    """
    if len(reference.ngram_papers) != len(new.ngram_papers):
        raise ValueError(f'profiles of {len(reference.ngram_papers)} and {len(new.ngram_papers)} n-grams')
    judged = min(reference.papers, new.papers) >= MIN_PAPERS
    measures = {name: _measure(name, reference, new, judged) for name in BASES}
    return {
        'reference_papers': reference.papers,
        'papers': new.papers,
        'judged': judged,
        'drifted': [name for name, measure in measures.items() if measure['drifted']],
        'measures': measures,
        'labels': _moved_labels(reference, new),
        'ngrams': _moved_ngrams(reference, new),
    }


def drift_summary(reference: Profile, profile: Profile) -> dict[str, Any]:
    """Returns what a batch run says of drift: `compare` without what moved, and `conclusion`, one line for people."""
    report = compare(reference, profile)
    summary = {name: report[name] for name in ('reference_papers', 'papers', 'judged', 'drifted', 'measures')}
    return summary | {'conclusion': conclusion(report)}


def conclusion(report: Mapping[str, Any]) -> str:
    """Returns one line for people of what `compare` or `drift_summary` gives."""
    unknown = report['measures']['out_of_vocabulary']
    shares = ''
    if unknown['new'] is not None and unknown['reference'] is not None:
        shares = f'out-of-vocabulary share {unknown["new"]:.1%} (reference {unknown["reference"]:.1%}); '
    if report['reference_papers'] < MIN_PAPERS:
        measured_on = f'the model was measured on {report["reference_papers"]:,} papers'
        return f'drift: {shares}not judged: {measured_on}, {MIN_PAPERS} are needed'
    if not report['judged']:
        return f'drift: {shares}not judged: {report["papers"]:,} papers are too few, {MIN_PAPERS} are needed'
    if not report['drifted']:
        return f'drift: {shares}none: the papers are like those that the model was measured on'
    return f'drift: {shares}flagged: {", ".join(report["drifted"])}'


def cells(name: str, reference: Profile, new: Profile) -> tuple[Counts, Counts]:
    """Returns the counts that a measure compares, cell by cell: int64 [cells] of either side."""
    return _MEASURES[name][0](reference, new)


def _measure(name: str, reference: Profile, new: Profile, judged: bool) -> dict[str, Any]:
    known, found = cells(name, reference, new)
    figure_of = _MEASURES[name][1]
    measured: dict[str, Any] = {
        'reference': figure_of(reference),
        'new': figure_of(new),
        'jensen_shannon_distance': None,
        'distance_threshold': None,
        'population_stability_index': None,
        'psi_threshold': None,
        'drifted': None,
    }
    if not known.any() or not found.any():
        return measured
    distance, psi = jensen_shannon_distance(known, found), population_stability_index(known, found)
    chance = chance_psi(int(np.count_nonzero(known + found)), int(known.sum()), int(found.sum()))
    base = BASES[name]
    distance_threshold = math.sqrt(base.distance**2 + chance / _PSI_OF_SQUARED_DISTANCE)
    psi_threshold = base.psi + chance
    return measured | {
        'jensen_shannon_distance': distance,
        'distance_threshold': distance_threshold,
        'population_stability_index': psi,
        'psi_threshold': psi_threshold,
        'drifted': distance > distance_threshold or psi > psi_threshold if judged else None,
    }


def _sides(reference: npt.ArrayLike, new: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    p, q = np.asarray(reference, np.float64), np.asarray(new, np.float64)
    if p.ndim != 1 or p.shape != q.shape or (p < 0).any() or (q < 0).any() or not p.any() or not q.any():
        raise ValueError(f'counts of {p.shape} and {q.shape}: not the same cells, below 0, or all 0')
    return p, q


def _in_deciles(name: str) -> Callable[[Profile, Profile], tuple[Counts, Counts]]:
    def in_deciles(reference: Profile, new: Profile) -> tuple[Counts, Counts]:
        known, found = getattr(reference, name), getattr(new, name)
        # Integers: the cell of a value says how many tenths of the reference lie below it.
        below = np.cumsum(known) - known
        groups = below * CELLS // max(int(known.sum()), 1)
        return tuple(  # type: ignore[return-value]
            np.bincount(groups, weights=side, minlength=CELLS + 1).astype(np.int64) for side in (known, found)
        )

    return in_deciles


def _accepted_labels(reference: Profile, new: Profile) -> tuple[Counts, Counts]:
    known, found = _aligned(reference.accepted_labels, new.accepted_labels)
    return np.append(known, reference.papers_without_label), np.append(found, new.papers_without_label)


def _first_labels(reference: Profile, new: Profile) -> tuple[Counts, Counts]:
    return _aligned(reference.first_labels, new.first_labels)


def _ngrams(reference: Profile, new: Profile) -> tuple[Counts, Counts]:
    return reference.ngram_papers, new.ngram_papers


def _aligned(reference: collections.Counter[str], new: collections.Counter[str]) -> tuple[Counts, Counts]:
    labels = sorted(reference | new)
    return np.array([reference[label] for label in labels], np.int64), np.array(
        [new[label] for label in labels], np.int64
    )


def _a_paper(total: Callable[[Profile], float]) -> Callable[[Profile], float | None]:
    return lambda profile: total(profile) / profile.papers if profile.papers else None


# Measure -> counts by cell of both sides, and one figure of a side for people.
_MEASURES: dict[str, tuple[Callable[[Profile, Profile], tuple[Counts, Counts]], Callable[[Profile], float | None]]] = {
    'out_of_vocabulary': (_in_deciles('unknown_share_histogram'), lambda profile: profile.out_of_vocabulary_share),
    'length': (_in_deciles('word_histogram'), _a_paper(lambda profile: profile.words)),
    'best_score': (_in_deciles('best_score_histogram'), _a_paper(lambda profile: profile.best_scores / SCORE_UNITS)),
    'accepted_labels': (_accepted_labels, _a_paper(lambda profile: profile.accepted_labels.total())),
    'first_labels': (_first_labels, lambda profile: None),
    'ngrams': (_ngrams, _a_paper(lambda profile: int(profile.ngram_papers.sum()))),
}


def _moved_labels(reference: Profile, new: Profile) -> list[dict[str, Any]]:
    known, found = reference.accepted_labels, new.accepted_labels
    shares = [
        {'label': label, 'reference': _share(known[label], reference), 'new': _share(found[label], new)}
        for label in sorted(known | found)
    ]
    return _most_moved(shares)


def _moved_ngrams(reference: Profile, new: Profile) -> list[dict[str, Any]]:
    pairs = zip(reference.ngram_papers.tolist(), new.ngram_papers.tolist(), strict=True)
    shares = [
        {'id': id_, 'reference': _share(known, reference), 'new': _share(found, new)}
        for id_, (known, found) in enumerate(pairs)
    ]
    return _most_moved(shares)


def _share(papers: int, profile: Profile) -> float:
    return papers / profile.papers if profile.papers else 0.0


def _most_moved(shares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(shares, key=lambda one: -abs(one['new'] - one['reference']))[:_MOVED]
