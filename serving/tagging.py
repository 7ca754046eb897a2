"""Asks a model for the labels of papers, and names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.exports import LoadedExport
from schemas import features, taxonomy

# Title and abstract, UTF-8.
Text = tuple[bytes, bytes]


class Labels:
    """The labels of a model: what a client is told of each."""

    def __init__(self, model: LoadedExport) -> None:
        """Reads the label table of a model."""
        table = model.label_table()
        names, groups = taxonomy.category_names(), taxonomy.groups()
        # For a client: label, name, group, threshold.
        self.table = [
            {'label': label, 'name': names.get(label, label), 'group': groups.get(label, label), 'threshold': threshold}
            for label, threshold in zip(
                [label.decode() for label in table[features.LABELS].tolist()],
                [_shortened(threshold) for threshold in table[features.THRESHOLDS].tolist()],
                strict=True,
            )
        ]
        self.by_label = {
            label['label'].encode(): {name: label[name] for name in ('label', 'name', 'threshold')}
            for label in self.table
        }


def predictions(
    model: LoadedExport, labels: Labels, papers: Sequence[Text], k: int, n: int
) -> list[list[dict[str, Any]]]:
    """Asks a model for the k best labels of papers and, if n is not 0, for n n-grams that weigh most for each."""
    titles, abstracts = [title for title, _ in papers], [abstract for _, abstract in papers]
    signature, constants = (features.EXPLAIN_SIGNATURE, {'k': k, 'n': n}) if n else (features.TAG_SIGNATURE, {'k': k})
    answer = model.call(signature, titles, abstracts, **constants)
    columns = [answer[name].tolist() for name in (features.LABELS, features.SCORES, features.ACCEPTED)]
    found = [
        [
            {**labels.by_label[label], 'score': _shortened(score), 'accepted': accepted}
            for label, score, accepted in zip(*row, strict=True)
        ]
        for row in zip(*columns, strict=True)
    ]
    if n:
        _add_explanations(found, answer)
    return found


def _add_explanations(found: list[list[dict[str, Any]]], answer: dict[str, Any]) -> None:
    ngrams, contributions = answer[features.EXPLANATIONS].tolist(), answer[features.CONTRIBUTIONS].tolist()
    for paper, paper_ngrams, paper_contributions in zip(found, ngrams, contributions, strict=True):
        for prediction, some, weights in zip(paper, paper_ngrams, paper_contributions, strict=True):
            prediction['explanation'] = [
                {'ngram': ngram.decode(), 'contribution': _shortened(weight)}
                for ngram, weight in zip(some, weights, strict=True)
                if ngram
            ]


def _shortened(value: float) -> float:
    """Rounds a float32 to what it tells: the double that it becomes has 17 digits in JSON."""
    return round(value, 9)
