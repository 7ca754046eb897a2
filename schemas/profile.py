"""What is counted of tagged papers, to tell later whether other papers are like them. Pure NumPy, integers only.

Sums of integers do not depend on their order: however papers are batched, spread over workers and merged, the profile
is the same.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas import features

FORMAT = 1
# Cells of the histograms. The last cell of a histogram holds everything beyond it, too.
WORDS_A_CELL = 10
WORD_CELLS = 60
SHARE_CELLS = 100
SCORE_CELLS = 100
# Labels of a paper that are looked at: as many as an export gives by default. Whoever asks for more counts no others.
LABELS_A_PAPER = 10
# Scores are added up in this unit, which float32 below 1 are whole multiples of, tiny ones aside.
SCORE_UNITS = 1 << 24

Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(eq=False)
class Profile:
    """Counts over tagged papers. `add` and `merge` change it in place.

    >>> profile = Profile.empty(2)
    >>> profile.add({
    ...     'labels': np.array([[b'cs.LG', b'cs.AI']], object), 'scores': np.array([[.9, .3]], np.float32),
    ...     'accepted': np.array([[True, False]]), 'words': np.array([120]), 'ngrams': np.array([200]),
    ...     'known_ngrams': np.array([150]), 'ngram_papers': np.array([1, 0])})
    >>> profile.papers, profile.out_of_vocabulary_share, dict(profile.accepted_labels)
    (1, 0.25, {'cs.LG': 1})

    Attributes:
        papers: how many papers.
        words: words of all papers.
        ngrams: occurrences of n-grams in all papers.
        known_ngrams: those of them that are in the vocabulary.
        best_scores: sum of each paper's best score, in units of 1 / SCORE_UNITS.
        word_histogram: int64 [WORD_CELLS], papers by number of words, WORDS_A_CELL a cell.
        unknown_share_histogram: int64 [SHARE_CELLS], papers by the share of their n-grams that is not in the
            vocabulary; papers without n-grams are in none.
        best_score_histogram: int64 [SCORE_CELLS], papers by their best score.
        accepted_labels: papers by label that is accepted, among the best LABELS_A_PAPER of each paper.
        papers_without_label: papers for which none is accepted.
        first_labels: papers by their best label, accepted or not.
        ngram_papers: int64 [n-grams], papers that contain each of the most frequent n-grams of the vocabulary.
    """

    papers: int
    words: int
    ngrams: int
    known_ngrams: int
    best_scores: int
    word_histogram: Counts
    unknown_share_histogram: Counts
    best_score_histogram: Counts
    accepted_labels: collections.Counter[str]
    papers_without_label: int
    first_labels: collections.Counter[str]
    ngram_papers: Counts

    @classmethod
    def empty(cls, ngrams: int) -> Profile:
        """Makes a profile of no papers, for a model that counts `ngrams` n-grams."""
        return cls(
            papers=0,
            words=0,
            ngrams=0,
            known_ngrams=0,
            best_scores=0,
            word_histogram=np.zeros(WORD_CELLS, np.int64),
            unknown_share_histogram=np.zeros(SHARE_CELLS, np.int64),
            best_score_histogram=np.zeros(SCORE_CELLS, np.int64),
            accepted_labels=collections.Counter(),
            papers_without_label=0,
            first_labels=collections.Counter(),
            ngram_papers=np.zeros(ngrams, np.int64),
        )

    @property
    def out_of_vocabulary_share(self) -> float | None:
        """Share of the occurrences of n-grams that is not in the vocabulary; None if there are none."""
        return (self.ngrams - self.known_ngrams) / self.ngrams if self.ngrams else None

    def add(self, outputs: Mapping[str, npt.NDArray[Any]]) -> None:
        """Counts a batch of papers.

        Args:
            outputs: what the signature `tag` gives: `labels` (bytes), `scores` (float32) and `accepted` (bool), each
                [papers, k], best first; `words`, `ngrams` and `known_ngrams` (int64 [papers]); `ngram_papers` (int64
                [n-grams]). Others are left alone.

        Raises:
            ValueError: if shapes do not fit together.
        """
        labels, scores, accepted = (
            np.asarray(outputs[name]) for name in (features.LABELS, features.SCORES, features.ACCEPTED)
        )
        words, ngrams, known = (
            np.asarray(outputs[name], np.int64) for name in (features.WORDS, features.NGRAMS, features.KNOWN_NGRAMS)
        )
        ngram_papers = np.asarray(outputs[features.NGRAM_PAPERS], np.int64)
        if not (labels.ndim == 2 and labels.shape == scores.shape == accepted.shape and labels.shape[1]):
            raise ValueError(f'labels of {labels.shape}, scores of {scores.shape}, accepted of {accepted.shape}')
        if not words.shape == ngrams.shape == known.shape == labels.shape[:1]:
            raise ValueError(
                f'words of {words.shape}, n-grams of {ngrams.shape} and {known.shape}: {len(labels)} papers'
            )
        if ngram_papers.shape != self.ngram_papers.shape:
            raise ValueError(f'papers of {ngram_papers.shape} n-grams for a profile of {self.ngram_papers.shape}')
        self.papers += len(labels)
        self.words += int(words.sum())
        self.ngrams += int(ngrams.sum())
        self.known_ngrams += int(known.sum())
        self.word_histogram += _histogram(words // WORDS_A_CELL, WORD_CELLS)
        some = ngrams > 0
        self.unknown_share_histogram += _histogram((ngrams - known)[some] * SHARE_CELLS // ngrams[some], SHARE_CELLS)
        best = scores[:, 0].astype(np.float64)
        self.best_scores += int(np.rint(best * SCORE_UNITS).astype(np.int64).sum())
        self.best_score_histogram += _histogram((best * SCORE_CELLS).astype(np.int64), SCORE_CELLS)
        labels, accepted = labels[:, :LABELS_A_PAPER], accepted[:, :LABELS_A_PAPER].astype(bool)
        self.accepted_labels.update(label.decode() for label in labels[accepted].tolist())
        self.papers_without_label += int(np.count_nonzero(~accepted.any(axis=1)))
        self.first_labels.update(label.decode() for label in labels[:, 0].tolist())
        self.ngram_papers += ngram_papers

    def merge(self, other: Profile) -> None:
        """Adds the counts of `other`, which stays as it is.

        Raises:
            ValueError: if `other` counts another number of n-grams.
        """
        if other.ngram_papers.shape != self.ngram_papers.shape:
            raise ValueError(f'a profile of {len(other.ngram_papers)} n-grams for one of {len(self.ngram_papers)}')
        for name in (*_TOTALS, *_HISTOGRAMS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _LABEL_COUNTS:
            getattr(self, name).update(getattr(other, name))

    def to_json(self) -> dict[str, Any]:
        """Returns the counts as plain values, labels in alphabetical order."""
        return {
            'format': FORMAT,
            **{name: getattr(self, name) for name in _TOTALS},
            **{name: getattr(self, name).tolist() for name in _HISTOGRAMS},
            **{name: dict(sorted(getattr(self, name).items())) for name in _LABEL_COUNTS},
        }

    @classmethod
    def from_json(cls, value: Any) -> Profile:
        """Reads what `to_json` gives.

        Raises:
            ValueError: if it is something else; the message says what is wrong.
        """
        if not isinstance(value, dict):
            raise ValueError(f'a profile is an object, not a {type(value).__name__}')
        if value.get('format') != FORMAT:
            raise ValueError(f'the profile is of format {value.get("format")!r}, this program reads {FORMAT}')
        counts: dict[str, Any] = {name: _count(value.get(name), name) for name in _TOTALS}
        counts |= {name: _counts(value.get(name), name, cells) for name, cells in _HISTOGRAMS.items()}
        counts |= {name: _label_counts(value.get(name), name) for name in _LABEL_COUNTS}
        profile = cls(**counts)
        profile._check_sums()
        return profile

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and self.to_json() == other.to_json()

    def _check_sums(self) -> None:
        most = max(
            self.papers_without_label,
            int(self.unknown_share_histogram.sum()),
            *self.accepted_labels.values(),
            *self.ngram_papers.tolist(),
        )
        exact = (int(self.word_histogram.sum()), int(self.best_score_histogram.sum()), self.first_labels.total())
        if most > self.papers or any(total != self.papers for total in exact):
            raise ValueError(f'the counts of the profile do not add up to its {self.papers} papers')
        if self.known_ngrams > self.ngrams:
            raise ValueError(f'{self.known_ngrams} known n-grams of {self.ngrams}')


_TOTALS = ('papers', 'words', 'ngrams', 'known_ngrams', 'best_scores', 'papers_without_label')
# Name -> number of counts; None: as many as the model counts.
_HISTOGRAMS = {
    'word_histogram': WORD_CELLS,
    'unknown_share_histogram': SHARE_CELLS,
    'best_score_histogram': SCORE_CELLS,
    'ngram_papers': None,
}
_LABEL_COUNTS = ('accepted_labels', 'first_labels')


def _histogram(cells: Counts, number: int) -> Counts:
    return np.bincount(np.clip(cells, 0, number - 1), minlength=number).astype(np.int64)


def _count(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError(f'{name} of the profile is {value!r}, not a count')
    return value


def _counts(value: Any, name: str, cells: int | None) -> Counts:
    if not isinstance(value, list) or (cells is not None and len(value) != cells):
        raise ValueError(f'{name} of the profile is not a list of {cells or "some"} counts')
    return np.array([_count(count, name) for count in value], np.int64)


def _label_counts(value: Any, name: str) -> collections.Counter[str]:
    if not isinstance(value, dict):
        raise ValueError(f'{name} of the profile is not an object of labels and counts')
    return collections.Counter({str(label): _count(count, name) for label, count in value.items()})
