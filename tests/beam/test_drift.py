"""What the drift job tells of months does not depend on how papers are batched."""

import json

import apache_beam as beam
import numpy as np

from pipeline.drift import FIGURES, MeasureMonths, drift_report, labelled
from pipeline.evaluate import AddToMetrics
from pipeline.runners import make_pipeline
from pipeline.tagger import LabelTable, TaggedBatch
from schemas.profile import Profile
from tests.helpers import paper
from trainer.metrics import StreamingMetrics

TABLE = LabelTable(
    ['cs.CV', 'cs.LG', 'stat.ML'], np.array([0.3, 0.5, 0.7], np.float32), np.array([0.9, 0.5, 0.1], np.float32)
)
TRUTH = np.random.default_rng(0).random((90, 3)) < [0.9, 0.3, 0.1]
SCORES = np.random.default_rng(1).random((90, 3), np.float32)
DAYS = ('2025-12-31', '2026-01-01', '')


def tagged(rows):
    papers = [
        paper(
            str(row),
            ' '.join(label for label, applies in zip(TABLE.labels, TRUTH[row], strict=True) if applies),
            updated=DAYS[row % 7 % 3],
        )
        for row in rows
    ]
    return TaggedBatch(papers, {'probabilities': SCORES[rows]}, '1')


def test_the_figures_of_a_month_are_those_of_its_papers_alone(tmp_path):
    refused = TaggedBatch([paper('bad')], {}, '1', 'the model failed')
    with make_pipeline(['--direct_num_workers=1']) as root:
        _ = (
            root
            | beam.Create([list(range(start, start + 15)) for start in range(0, 90, 15)])
            | beam.Map(tagged)
            | beam.FlatMap(lambda batch: [batch, refused])
            | MeasureMonths(AddToMetrics(TABLE, StreamingMetrics))
            | beam.combiners.ToDict()
            | beam.Map(lambda months: (tmp_path / 'months.json').write_text(json.dumps(months)))
        )
    expected = {}
    for place, month in enumerate(['2025-12', '2026-01', 'unknown']):
        rows = [row for row in range(90) if row % 7 % 3 == place]
        metrics = StreamingMetrics(3, TABLE.thresholds, TABLE.propensities)
        metrics.add(TRUTH[rows], SCORES[rows])
        expected[month] = {name: metrics.result()[name] for name in FIGURES}
    assert json.loads((tmp_path / 'months.json').read_text()) == expected


def test_papers_without_labels_are_not_measured():
    with_label, without = paper('1', 'cs.LG'), paper('2', '')
    assert list(labelled([without, with_label, without])) == [[with_label]]
    assert list(labelled([without])) == []


def test_the_report_accounts_for_every_record():
    counts = {('read',): 9, ('rejected', 'missing_title'): 2, ('rejected', 'malformed_json'): 1}
    profile = Profile.empty(0)
    profile.papers = 5
    months = {'unknown': {'papers': 1}, '2025-12': {'papers': 2}}
    report = drift_report(counts, Profile.empty(0), '7', profile, months)
    assert (report['read'], report['papers'], report['refused_by_model']) == (9, 5, 1)
    assert report['rejected'] == {'malformed_json': 1, 'missing_title': 2}
    assert report['months'] == [{'month': '2025-12', 'papers': 2}, {'month': 'unknown', 'papers': 1}]
    assert report['model_version'] == '7'
