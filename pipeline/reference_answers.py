"""Whether a loaded model still gives the answers that were stored with it when it was exported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.exports import Export, LoadedExport, first_line
from schemas import features, outputs
from schemas.errors import JobError

# Far more than another processor's rounding changes (1e-6), far less than anybody would notice in a score.
TOLERANCE = 1e-4


class ReferencePaper(NamedTuple):
    """A paper that was stored with an export, and what the model said of it then: its labels, best first."""

    title: str
    abstract: str
    labels: list[str]
    scores: list[float]
    accepted: list[bool]


def reference_papers(export: Export) -> list[ReferencePaper]:
    """Reads the papers stored with an export.

    Raises:
        JobError: if they are damaged.
        OSError: if they cannot be read.
    """
    path = outputs.join(export.path, features.REFERENCE_ANSWERS_FILE)
    papers = []
    content = outputs.read_bytes(path)
    try:
        for line in content.splitlines():
            record = json.loads(line)
            paper = ReferencePaper(*(record[name] for name in ReferencePaper._fields))
            if not len(paper.labels) == len(paper.scores) == len(paper.accepted):
                raise ValueError('of different lengths')
            papers.append(paper)
    except (ValueError, LookupError, TypeError) as error:
        raise JobError(
            f'line {len(papers) + 1} of {path} is damaged ({error}). '
            'Copy the export again, or run "arxiv-tagger train" again.'
        ) from error
    return papers


def verify(loaded: LoadedExport, papers: Sequence[ReferencePaper]) -> str | None:
    """Asks a model for its answers to reference papers, and compares them with the stored ones.

    Returns:
        What differs, or None.
    """
    if not papers:
        return None
    table = loaded.label_table()
    labels = [label.decode() for label in table[features.LABELS].tolist()]
    thresholds = dict(zip(labels, table[features.THRESHOLDS].tolist(), strict=True))
    titles, abstracts = ([getattr(paper, field).encode() for paper in papers] for field in ('title', 'abstract'))
    k = max(len(paper.labels) for paper in papers)
    # Both that papers are tagged with; so neither is called for the first time, which takes longer, when one waits.
    for signature, constants in ((features.TAG_SIGNATURE, {'k': k}), (features.EXPLAIN_SIGNATURE, {'k': k, 'n': 1})):
        try:
            answer = loaded.call(signature, titles, abstracts, **constants)
        except Exception as error:
            return f'it fails on the reference papers: {first_line(error)}'
        if fault := difference(papers, answer, thresholds):
            return fault
    return None


def difference(
    papers: Sequence[ReferencePaper], answer: Mapping[str, np.ndarray], thresholds: Mapping[str, float]
) -> str | None:
    """Says in what a model's answer differs from the stored ones, or None.

    Labels whose scores lie within `TOLERANCE` of each other may have changed places, also across the end of the list;
    a label whose score lies so near its threshold may have become accepted, or not.

    Args:
        papers: with the stored answers.
        answer: `labels` (bytes), `scores` and `accepted`, each [papers, k], as the signature `tag` gives them.
        thresholds: of each label that the model has.
    """
    rows = (answer[name].tolist() for name in (features.LABELS, features.SCORES, features.ACCEPTED))
    for number, (paper, labels, scores, accepted) in enumerate(zip(papers, *rows, strict=True), 1):
        names = [label.decode('utf-8', 'replace') for label in labels]
        fault = _difference(paper, names, scores, accepted, thresholds)
        if fault:
            return f'reference paper {number} ({paper.title[:60]!r}): {fault}'
    return None


def _difference(
    paper: ReferencePaper,
    labels: Sequence[str],
    scores: Sequence[float],
    accepted: Sequence[bool],
    thresholds: Mapping[str, float],
) -> str | None:
    for label, score in zip(labels, scores, strict=True):
        # Comparisons below are written such that they fail for a NaN, but it shall be called by its name.
        if score != score:
            return f'the score of {label} is NaN'
    if len(labels) != len(paper.labels):
        return f'expected {len(paper.labels)} labels, found {len(labels)}'
    for rank, (expected, score) in enumerate(zip(paper.scores, scores, strict=True), 1):
        if not abs(expected - score) <= TOLERANCE:
            return (
                f'expected {paper.labels[rank - 1]} with score {expected:.6f} at rank {rank}, '
                f'found {labels[rank - 1]} with {score:.6f}'
            )
    stored = dict(zip(paper.labels, zip(paper.scores, paper.accepted, strict=True), strict=True))
    found = dict(zip(labels, scores, strict=True))
    for rank, (expected_label, label) in enumerate(zip(paper.labels, labels, strict=True), 1):
        # Within the tolerance of the last score, a label may have come from beyond the end of the list, or gone there.
        was = stored[label][0] if label in stored else paper.scores[-1]
        now = found.get(expected_label, scores[-1])
        if not (
            label in thresholds
            and abs(was - scores[rank - 1]) <= TOLERANCE
            and abs(now - paper.scores[rank - 1]) <= TOLERANCE
        ):
            return f'expected {expected_label} at rank {rank}, found {label}'
    if len(found) != len(labels):
        return f'expected {", ".join(paper.labels)}, found {", ".join(labels)}'
    for label, score, is_accepted in zip(labels, scores, accepted, strict=True):
        expected_accepted = stored[label][1] if label in stored else score >= thresholds[label]
        if is_accepted != expected_accepted and not abs(score - thresholds[label]) <= TOLERANCE:
            words = {True: 'accepted', False: 'not accepted'}
            return (
                f'expected {label} (score {score:.6f}) to be {words[expected_accepted]}, found it {words[is_accepted]}'
            )
    return None
