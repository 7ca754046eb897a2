"""Writes what people read of a run beside the model: history, curves, figures of labels, plots' data, model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from schemas import features, outputs, taxonomy
from trainer import history
from trainer.curves import Curves, write_projector
from trainer.histograms import precision_recall_curve
from trainer.label_table import GroupRow, LabelRow, by_training_papers, label_rows, write_table
from trainer.metrics import StreamingMetrics
from trainer.model_card import model_card
from trainer.prepared import Prepared
from trainer.sparse_dense import SparseDense

# TensorBoard's projector becomes slow beyond.
PROJECTED_NGRAMS = 10_000

PRECISION_RECALL_FILE = 'precision_recall.csv'
RELIABILITY_FILE = 'reliability.csv'
RELIABILITY_BEFORE_FILE = 'reliability_before.csv'
F1_BY_TRAINING_PAPERS_FILE = 'f1_by_training_papers.csv'


def write_reports(
    folder: str,
    *,
    prepared: Prepared,
    tagger: keras.Model,
    rows: Sequence[history.Row],
    test: StreamingMetrics,
    uncalibrated_test: StreamingMetrics,
    metrics: dict[str, Any],
    ngrams: Sequence[tuple[str, int]],
) -> None:
    """Writes all reports of a run.

    Args:
        folder: where they stand side by side, by the names that `schemas.features` has.
        prepared: the training data.
        tagger: the trained model.
        rows: its history.
        test: counts of the test papers.
        uncalibrated_test: the same before calibration.
        metrics: what `metrics.json` holds.
        ngrams: spelling and training papers of the most frequent n-grams, in the order of their ids.
    """
    history.write_csv(outputs.join(folder, features.HISTORY_FILE), rows)
    logs = outputs.join(folder, features.LOGS_DIR)
    Curves(logs, rows).close()
    write_projector(logs, embeddings(tagger, len(ngrams)), ngrams)
    labels = label_rows(prepared.labels, prepared.statistics['labels'], test.label_figures())
    write_table(outputs.join(folder, features.LABEL_FIGURES_FILE), LabelRow._fields, labels, '\t')
    write_plots(outputs.join(folder, features.PLOTS_DIR), prepared.labels, test, uncalibrated_test, labels)
    card = model_card(
        metrics=metrics,
        manifest=prepared.manifest,
        statistics=prepared.statistics,
        labels=labels,
        groups=taxonomy.groups(),
    )
    outputs.write_text(outputs.join(folder, features.MODEL_CARD_FILE), card)


def write_plots(
    folder: str,
    names: Sequence[str],
    test: StreamingMetrics,
    uncalibrated_test: StreamingMetrics,
    labels: Sequence[LabelRow],
) -> None:
    """Writes what plots of the test papers are drawn from, as CSV files.

    - `precision_recall.csv`: the curve of each label that a test paper has.
    - `reliability.csv`: how often labels of about the same score apply, for `all` pairs of a paper and a label and for
      the `first` label of each paper.
    - `reliability_before.csv`: the same before calibration; without it, the very same.
    - `f1_by_training_papers.csv`: figures of labels that have about as many training papers.

    Args:
        folder: made if it is missing.
        names: of the labels.
        test: counts of the test papers.
        uncalibrated_test: the same before calibration.
        labels: figures of the labels.
    """
    outputs.make_folder(folder)
    points = _precision_recall(names, test)
    columns: Sequence[str] = ('label', 'threshold', 'precision', 'recall')
    write_table(outputs.join(folder, PRECISION_RECALL_FILE), columns, points)
    columns = ('pairs_of', 'lower_edge', 'pairs', 'mean_score', 'share')
    for name, counts in ((RELIABILITY_FILE, test), (RELIABILITY_BEFORE_FILE, uncalibrated_test)):
        write_table(outputs.join(folder, name), columns, _reliability(counts))
    columns = ('training_papers', *GroupRow._fields[1:])
    write_table(outputs.join(folder, F1_BY_TRAINING_PAPERS_FILE), columns, by_training_papers(labels))


def embeddings(tagger: keras.Model, number: int) -> npt.NDArray[np.float32]:
    """The rows of the first layers for the first n-grams, a member beside the other: float32 [number, units]."""
    layers = (layer for layer in tagger.layers if isinstance(layer, SparseDense))
    return np.concatenate([np.asarray(layer.kernel[:number, : layer.units]) for layer in layers], axis=1)


def _precision_recall(names: Sequence[str], test: StreamingMetrics) -> Iterator[tuple[str, float, float, float]]:
    for number, name in enumerate(names):
        for point in precision_recall_curve(*test.histograms[number]):
            yield (name, *point)


def _reliability(test: StreamingMetrics) -> Iterator[tuple[str, *tuple[Any, ...]]]:
    for pairs, reliability in (('all', test.reliability), ('first', test.reliability_of_first_labels)):
        for row in reliability.rows():
            yield (pairs, *row)
