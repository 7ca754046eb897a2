"""The report of drift is a few tables and one line to remember."""

from pipeline.drift_report import lines_of

JUDGED = {
    'reference': 0.2214,
    'new': 0.305,
    'jensen_shannon_distance': 0.561,
    'distance_threshold': 0.1181,
    'population_stability_index': 2.0381,
    'psi_threshold': 0.0752,
    'drifted': True,
}
LESS = {'reference': 139.24, 'new': 140.0, 'jensen_shannon_distance': 0.02, 'drifted': False}
NONE = dict.fromkeys(JUDGED)
REPORT = {
    'papers': 103766,
    'reference_papers': 10000,
    'measures': {'out_of_vocabulary': JUDGED, 'length': JUDGED | LESS, 'first_labels': NONE},
    'labels': [{'label': 'cs.LG', 'reference': 0.012, 'new': 0.31}],
    'ngrams': [{'ngram': 'models', 'id': 90, 'reference': 0.1, 'new': 0.3}] * 7,
    'months': [
        {'month': '2025-03', 'papers': 2470, 'precision_at_1': 0.7, 'precision_at_3': 0.5, 'ndcg_at_5': 0.8},
        {'month': 'unknown', 'papers': 0, 'precision_at_1': None, 'precision_at_3': None, 'ndcg_at_5': None},
    ],
    'refused_by_model': 0,
    'conclusion': 'drift: flagged: out_of_vocabulary',
}
REPORT['months'][0]['micro_f1'], REPORT['months'][1]['micro_f1'] = 0.6321, None

WRITTEN = """\
103,766 papers, compared with 10,000 that the model was measured on

a paper has      reference    new  JS distance  (limit)    PSI  (limit)
unknown n-grams      22.1%  30.5%        0.561    0.118  2.038    0.075  drifted
words                139.2  140.0        0.020    0.118  2.038    0.075  as before
best label                                                               not judged

share of the papers that have the label  reference    new
cs.LG                                         1.2%  31.0%

share of the papers that have the n-gram  reference    new
models                                        10.0%  30.0%
models                                        10.0%  30.0%
models                                        10.0%  30.0%
models                                        10.0%  30.0%
models                                        10.0%  30.0%

month    papers    P@1    P@3  nDCG@5  micro-F1
2025-03   2,470  0.700  0.500   0.800     0.632
unknown       0

drift: flagged: out_of_vocabulary
"""


def test_what_is_measured_stands_in_tables_and_the_conclusion_last():
    assert '\n'.join(lines_of(REPORT)) + '\n' == WRITTEN


def test_of_many_months_the_last_twelve_are_shown():
    months = [REPORT['months'][0] | {'month': f'2025-{month:02}'} for month in range(1, 10)]
    months += [REPORT['months'][0] | {'month': f'2026-{month:02}'} for month in range(1, 9)]
    lines = list(lines_of(REPORT | {'months': months}))
    assert [line[:7] for line in lines[-15:-3]] == [month['month'] for month in months[5:]]
    assert lines[-3:-1] == ['5 more months before them are in the report (--output)', '']


def test_what_is_seldom_is_told_only_where_it_is():
    parity = {'papers': 45, 'largest_difference': 6e-8, 'tolerance': 1e-5}
    lines = list(lines_of(REPORT | {'months': [], 'refused_by_model': 3, 'parity': parity}))
    assert lines[-3:] == [
        '3 papers were refused by the model; they are not counted',
        'training and serving: the probabilities of 45 held-out papers differ by at most 6.0e-08',
        'drift: flagged: out_of_vocabulary',
    ]
