"""What a model gets wrong, and how far its figures can be trusted: what `review.json` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer import per_paper
from trainer.bootstrap import LEVEL, REPLICATES, PoissonBootstrap
from trainer.confusions import Confusions
from trainer.explain import explainer
from trainer.label_errors import METHOD, label_errors
from trainer.prepared import Prepared
from trainer.ranking import best_labels
from trainer.reference import ReferencePaper

WORST_PAPERS = 10
CONFUSIONS = 50
LABEL_ERRORS = 50

# Of a paper's accepted labels so many are told, and so many n-grams of each.
_ACCEPTED = 20
_NGRAMS = 5

_BATCH = 512
# Probabilities of held-out papers that are kept: 512 MB.
_PROBABILITIES = 1 << 27


class IntervalsAndConfusions:
    """Counts over test papers, beside `StreamingMetrics`: intervals of figures, and which labels are taken for which.

    Args:
        thresholds: float32 [labels].
        propensities: float32 [labels].
    """

    def __init__(self, thresholds: npt.NDArray[np.float32], propensities: npt.NDArray[np.float32]) -> None:
        self._thresholds = thresholds
        self._propensities = propensities
        self._papers = 0
        self._bootstrap = PoissonBootstrap()
        self._confusions = Confusions(thresholds)

    def add(self, truth: npt.ArrayLike, scores: npt.NDArray[np.float32]) -> None:
        """Counts a batch of papers, as `StreamingMetrics.add` does; those without labels are left out."""
        applies = np.asarray(truth) != 0
        labelled = applies.any(axis=1)
        applies, scores = applies[labelled], scores[labelled]
        if not len(scores):
            return
        self._papers += len(applies)
        self._bootstrap.add(per_paper.addends(applies, scores, self._thresholds, self._propensities))
        self._confusions.add(applies, scores)

    def described(self, labels: Sequence[str], figures: Mapping[str, Any]) -> dict[str, Any]:
        """Makes `intervals` and `confusions` of review.json.

        Args:
            labels: their names.
            figures: of the test papers, as metrics.json has them; what is no sum over papers has no interval.
        """
        number = len(labels)
        intervals = self._bootstrap.intervals(lambda sums, papers: per_paper.figures(sums, papers, number))
        return {
            'intervals': {
                'papers': self._papers,
                'replicates': REPLICATES,
                'level': LEVEL,
                'figures': {name: [_rounded(end) for end in intervals[name]] for name in figures if name in intervals},
            },
            'confusions': [
                {'label': labels[pair.label], 'given': labels[pair.given], 'papers': pair.papers, 'of': pair.of}
                for pair in self._confusions.most_frequent(CONFUSIONS)
            ],
        }


class HeldOut(NamedTuple):
    """What a model says of held-out papers, and what the data says.

    Attributes:
        ids: of the papers.
        applies: bool [papers, labels].
        scores: float32 [papers, labels].
    """

    ids: list[str]
    applies: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """Binary cross-entropy of each paper, summed over the labels: float64 [papers]; see `per_paper`."""
        return np.asarray(per_paper.cross_entropy(self.applies, self.scores).sum(axis=1))


def held_out(data: Prepared, tagger: keras.Model, texts: Mapping[str, ReferencePaper]) -> HeldOut:
    """Scores validation papers whose text is known, in the order of the shards; those without labels are left out.

    Args:
        data: what `prepare` published.
        tagger: gives calibrated probabilities.
        texts: id -> text; the first ones, if there are more than fit into half a gigabyte of probabilities.
    """
    labels = len(data.labels)
    ids: list[str] = []
    applies, scores = [np.zeros((0, labels), bool)], [np.zeros((0, labels), np.float32)]
    for names, weights, truth in data.chosen('validation', set(list(texts)[: _PROBABILITIES // labels]), _BATCH):
        has = truth.numpy() != 0
        rows = np.flatnonzero(has.any(axis=1))
        ids += [names[row] for row in rows]
        applies.append(has[rows])
        scores.append(np.asarray(tagger(weights, training=False), np.float32)[rows])
    return HeldOut(ids, np.concatenate(applies), np.concatenate(scores))


def held_out_review(
    data: Prepared,
    tagger: keras.Model,
    thresholds: npt.NDArray[np.float32],
    texts: Mapping[str, ReferencePaper],
    ngrams: Sequence[bytes],
) -> dict[str, Any]:
    """Makes `worst_papers` and `label_errors` of review.json.

    Args:
        data: what `prepare` published.
        tagger: of one member, giving calibrated probabilities.
        thresholds: float32 [labels].
        texts: id -> text of held-out papers.
        ngrams: spelling of the n-grams, in the order of their ids.
    """
    papers = held_out(data, tagger, texts)
    errors = label_errors(papers.applies, papers.scores, LABEL_ERRORS)
    return {
        'worst_papers': worst_papers(papers, data, tagger, thresholds, texts, ngrams),
        'label_errors': {
            'method': METHOD,
            'papers': len(papers.ids),
            'found': [
                {
                    'id': papers.ids[error.paper],
                    'title': texts[papers.ids[error.paper]].title,
                    'label': data.labels[error.label],
                    'score': _rounded(error.score),
                    'in_data': error.in_data,
                }
                for error in errors
            ],
        },
    }


def worst_papers(
    papers: HeldOut,
    data: Prepared,
    tagger: keras.Model,
    thresholds: npt.NDArray[np.float32],
    texts: Mapping[str, ReferencePaper],
    ngrams: Sequence[bytes],
) -> list[dict[str, Any]]:
    """Describes the papers with the largest losses, the largest first; of equal ones those with the smaller ids."""
    losses = papers.losses
    rows = sorted(range(len(losses)), key=lambda row: (-losses[row], papers.ids[row]))[:WORST_PAPERS]
    asked = {papers.ids[row]: shown_labels(papers.applies[row], papers.scores[row], thresholds) for row in rows}
    explained = _explained(data, tagger, asked, ngrams)
    return [
        {
            'id': papers.ids[row],
            'title': texts[papers.ids[row]].title,
            'abstract': texts[papers.ids[row]].abstract,
            'labels': [data.labels[label] for label in np.flatnonzero(papers.applies[row])],
            'loss': _rounded(losses[row]),
            'predictions': [
                {
                    'label': data.labels[label],
                    'score': _rounded(papers.scores[row, label]),
                    'threshold': _rounded(thresholds[label]),
                    'accepted': bool(papers.scores[row, label] >= thresholds[label]),
                    'explanation': explanation,
                }
                for label, explanation in zip(asked[papers.ids[row]], explained[papers.ids[row]], strict=True)
            ],
        }
        for row in rows
    ]


def shown_labels(
    applies: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32], thresholds: npt.NDArray[np.float32]
) -> list[int]:
    """Chooses the labels that are told of a paper: the best that are accepted, and those in the data, best first.

    >>> shown_labels(np.array([True, False, False]), np.array([.1, .6, .8], np.float32), np.full(3, .5, np.float32))
    [2, 1, 0]
    """
    [best] = best_labels(scores[np.newaxis], _ACCEPTED)
    shown = {int(label) for label in best if scores[label] >= thresholds[label]} | set(np.flatnonzero(applies).tolist())
    return sorted(shown, key=lambda label: (-scores[label], label))


def _explained(
    data: Prepared, tagger: keras.Model, asked: Mapping[str, Sequence[int]], ngrams: Sequence[bytes]
) -> dict[str, list[list[dict[str, Any]]]]:
    """Finds the n-grams that weigh most for each label that is asked of a paper: id of the paper -> label by label."""
    explain = explainer(tagger)
    most = max(map(len, asked.values()), default=0)
    explained = {}
    for names, weights, _ in data.chosen('validation', asked, _BATCH):
        # All papers are explained for as many labels; what fills up is passed over again.
        labels = [[*asked[name], *[0] * (most - len(asked[name]))] for name in names]
        found = explain(weights, tf.constant(labels, tf.int32), tf.constant(_NGRAMS, tf.int32))
        for name, ids, contributions in zip(names, found.ids.numpy(), found.contributions.numpy(), strict=True):
            explained[name] = [_spelled(ids[place], contributions[place], ngrams) for place in range(len(asked[name]))]
    return explained


def _spelled(
    ids: npt.NDArray[np.int64], contributions: npt.NDArray[np.float32], ngrams: Sequence[bytes]
) -> list[dict[str, Any]]:
    return [
        {'ngram': ngrams[number].decode(), 'contribution': _rounded(contribution)}
        for number, contribution in zip(ids.tolist(), contributions.tolist(), strict=True)
        if number >= 0
    ]


def _rounded(value: Any) -> float:
    """Six significant digits: what follows them is not known that well."""
    return float(f'{value:.6g}')
