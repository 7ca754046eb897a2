"""One and the same measurement for every method."""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from prepared import digest

from trainer.calibration import platt_scaling
from trainer.histograms import LOG_ODDS
from trainer.metrics import StreamingMetrics
from trainer.thresholds import choose_thresholds

RANKING = ('precision_at_1', 'precision_at_3', 'precision_at_5', 'ndcg_at_5')
DECIDED = ('micro_f1', 'macro_f1')


class Scored(NamedTuple):
    """Papers with their labels and a method's logits or decision values, of which higher ones mean likelier labels.

    Attributes:
        ids: of the papers.
        applies: bool [papers, labels].
        logits: float [papers, labels].
    """

    ids: Sequence[str]
    applies: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.floating[Any]]

    def at(self, thresholds: npt.ArrayLike, scale: float = 1.0, offset: float = 0.0) -> StreamingMetrics:
        """Measures sigmoid(scale * logits + offset) at thresholds for all labels, or one for each."""
        labels = self.applies.shape[1]
        # No figure that depends on propensities is taken from these.
        by_label = np.broadcast_to(np.asarray(thresholds, np.float32), (labels,))
        metrics = StreamingMetrics(labels, by_label, np.ones(labels, np.float32))
        metrics.add(self.applies, sigmoid(scale * self.logits.astype(np.float64) + offset))
        return metrics


def sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Maps logits into [0, 1], in the same order; the trainer's metrics take nothing else."""
    return np.exp(-np.logaddexp(0, -logits)).astype(np.float32)


def logits_of(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The inverse of `sigmoid`; 0 and 1 become numbers that are far away."""
    inside = np.clip(np.asarray(probabilities, np.float64), 1e-30, 1 - 1e-16)
    return np.log(inside) - np.log1p(-inside)


def figures(validation: Scored, test: Scored) -> dict[str, Any]:
    """Measures a method on the test papers.

    Returns:
        Each of `RANKING`; `decided`, `DECIDED` for each of three ways to decide: `zero`, a label is given where its
        logit is 0 or more (what scikit-learn's `predict` does), `single`, at the one threshold that is best for
        micro-F1 on the validation papers, `per_label`, with Platt scaling and our own thresholds for each label, both
        from the validation papers; `validation_ndcg_at_5`; and what `paper_marks` returns.
    """
    chosen = validation.at(0.5)
    single = choose_thresholds(chosen.histograms, 'single').by_label
    platt = platt_scaling(LOG_ODDS, *chosen.histograms.totals())
    per_label = choose_thresholds(validation.at(0.5, *platt).histograms, 'per_label').by_label
    ways = {'zero': test.at(0.5), 'single': test.at(single), 'per_label': test.at(per_label, *platt)}
    results = {way: metrics.result() for way, metrics in ways.items()}
    return {
        **{name: results['zero'][name] for name in RANKING},
        'decided': {way: {name: result[name] for name in DECIDED} for way, result in results.items()},
        'validation_ndcg_at_5': chosen.result()['ndcg_at_5'],
        **paper_marks(validation, test),
    }


def paper_marks(validation: Scored, test: Scored) -> dict[str, Any]:
    """Says what tells whether methods saw the same papers, and whether they differ by more than chance.

    Returns:
        `papers`, how many test papers; `validation_papers` and `test_papers`, digests of their ids; `test_hits`, a
        digit for each test paper in the order of ids, 1 where the label with the highest score applies.
    """
    first = np.argmax(test.logits, axis=1)
    hits = test.applies[np.arange(len(first)), first]
    order = np.argsort(np.array(test.ids), kind='stable')
    return {
        'papers': len(test.ids),
        'validation_papers': digest(validation.ids),
        'test_papers': digest(test.ids),
        'test_hits': ''.join(str(int(hit)) for hit in hits[order]),
    }


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the flag that each measuring program has: the file for what it measured."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument('--result', required=True, type=pathlib.Path, metavar='FILE', help='JSON file for the result')
    return result


def write(path: pathlib.Path, result: dict[str, Any]) -> None:
    """Writes what a program measured, for the program that started it."""
    path.write_text(json.dumps(result, indent=2) + '\n', 'utf-8')
