"""Metrics of many bundles and workers are those of all papers at once."""

import json

import apache_beam as beam
import numpy as np
import pytest

from pipeline.evaluate import AddToMetrics
from pipeline.runners import make_pipeline
from pipeline.tagger import LabelTable, TaggedBatch
from tests.helpers import paper
from trainer.metrics import StreamingMetrics

TABLE = LabelTable(
    ['cs.CV', 'cs.LG', 'stat.ML'], np.array([0.3, 0.5, 0.7], np.float32), np.array([0.9, 0.5, 0.1], np.float32)
)
TRUTH = np.random.default_rng(0).random((300, 3)) < [0.5, 0.3, 0.1]
SCORES = np.random.default_rng(1).random((300, 3), np.float32)


def tagged(row):
    labels = [label for label, applies in zip(TABLE.labels, TRUTH[row], strict=True) if applies]
    papers = [paper(str(row), ' '.join([*labels, 'math.NA']))]
    return TaggedBatch(papers, {'probabilities': SCORES[row : row + 1]}, '1')


def expected():
    metrics = StreamingMetrics(3, TABLE.thresholds, TABLE.propensities)
    metrics.add(TRUTH, SCORES)
    return metrics.result()


def measure(tmp_path, papers, *flags):
    with make_pipeline(flags) as root:
        _ = (
            root
            | beam.Create(papers)
            | beam.Reshuffle()
            | beam.Map(tagged)
            | beam.CombineGlobally(AddToMetrics(TABLE, StreamingMetrics))
            | beam.Map(lambda metrics: (tmp_path / 'metrics.json').write_text(json.dumps(metrics.result())))
        )
    return json.loads((tmp_path / 'metrics.json').read_text())


@pytest.mark.parametrize('workers', [1, 2])
def test_metrics_are_the_same_to_the_bit_in_however_many_bundles_and_workers(tmp_path, workers):
    assert measure(tmp_path, range(300), f'--direct_num_workers={workers}') == expected()
    assert expected()['papers_without_labels'] > 0


def test_without_papers_there_are_metrics_of_none(tmp_path):
    found = measure(tmp_path, [], '--direct_num_workers=1')
    assert (found['papers'], found['micro_f1']) == (0, None)
