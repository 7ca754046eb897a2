"""What is told of a model's errors: how large the loss of a paper is, and which labels are shown of it."""

import math

import numpy as np
import pytest

from trainer.metrics import StreamingMetrics
from trainer.review import HeldOut, IntervalsAndConfusions, shown_labels


def test_the_loss_of_a_paper_is_its_cross_entropy_summed_over_labels():
    applies = np.array([[1, 0], [0, 1], [1, 1]], bool)
    papers = HeldOut(['a', 'b', 'c'], applies, np.array([[0.5, 0.25], [0.75, 0.125], [1, 0]], np.float32))
    assert papers.losses.tolist() == pytest.approx(
        [-math.log(0.5) - math.log(0.75), -math.log(0.25) - math.log(0.125), -math.log(1e-7)]
    )


def test_labels_of_the_data_and_the_best_of_those_that_are_accepted_are_shown_best_first():
    scores = np.linspace(0.51, 0.9, 40, dtype=np.float32)
    applies = np.zeros(40, bool)
    applies[[0, 39]] = True
    assert shown_labels(applies, scores, np.full(40, 0.5, np.float32)) == [*range(39, 19, -1), 0]
    assert shown_labels(applies, scores, np.full(40, 0.95, np.float32)) == [39, 0]
    # Of equal scores the lower label comes first.
    assert shown_labels(np.array([True, True]), np.zeros(2, np.float32), np.ones(2, np.float32)) == [0, 1]


def test_papers_without_labels_count_for_nothing():
    thresholds, propensities = np.full(2, 0.5, np.float32), np.ones(2, np.float32)
    counted = IntervalsAndConfusions(thresholds, propensities)
    metrics = StreamingMetrics(2, thresholds, propensities)
    nothing = {'papers': 0, 'replicates': 500, 'level': 0.95, 'figures': {}}
    counted.add(np.zeros((3, 2)), np.ones((3, 2), np.float32))
    assert counted.described(['cs.AI', 'cs.LG'], metrics.result()) == {'intervals': nothing, 'confusions': []}
    for counts in (counted, metrics):
        counts.add([[1, 0], [0, 0]], np.array([[0.25, 0.75], [1, 1]], np.float32))
    described = counted.described(['cs.AI', 'cs.LG'], metrics.result())
    assert described['intervals']['papers'] == 1
    assert described['intervals']['figures']['precision_at_3'] == [0.333333, 0.333333]
    assert described['intervals']['figures']['micro_f1'] == [0, 0]
    assert described['confusions'] == [{'label': 'cs.AI', 'given': 'cs.LG', 'papers': 1, 'of': 1}]
