"""Small files as prepare, train and score publish them, for tests of the report."""

from __future__ import annotations

import json

STATISTICS = {
    'read': 1000,
    'kept': 880,
    'duplicates': 40,
    'dropped_rare_label_set': 50,
    'rejected': {'missing_title': 25, 'too_long': 5},
    'splits': {'train': 800, 'validation': 40, 'test': 40},
    'labels': {
        'cs.LG': {'train': 500, 'validation': 30, 'test': 20},
        'cs.CL': {'train': 300, 'validation': 10, 'test': 20},
        'math.AG': {'train': 9, 'validation': 0, 'test': 1},
    },
    'categories': {'renamed': {}, 'msc_codes': 0, 'acm_codes': 0, 'unknown': {}},
    'ngrams': {'distinct': 9, 'vocabulary': 6, 'occurrences': 40},
}
MANIFEST = {
    'config': {},
    'versions': {},
    'inputs': [{'path': 'dumps/papers.jsonl', 'format': 'json_lines'}],
    'shards': [],
}
OVERVIEW = {
    'years': {'2017': 300, '2018': 380, '2019': 190, 'unknown': 10},
    'labels_per_paper': {'1': 600, '2': 270, '3': 10},
    'label_pairs': {'cs.CL cs.LG': 210},
    'words_per_paper': {'0': 80, '100': 400, '110': 390, '600': 10},
    'document_frequencies': {'1': 6, '2': 2, '700': 1},
    'distinctive_ngrams': {'cs.LG': [{'ngram': '<i>neural</i> networks', 'papers_with_label': 80, 'papers': 100}]},
}
FIGURES = {
    'papers': 40,
    'papers_without_labels': 0,
    'precision_at_1': 0.75,
    'precision_at_3': 0.45,
    'precision_at_5': 0.3,
    'ndcg_at_5': 0.8,
    'mean_average_precision': 0.5,
    'micro_f1': 0.6,
    'example_f1': 0.61,
    'macro_f1': 0.4,
    'expected_calibration_error': 0.004,
    'expected_calibration_error_top': 0.05,
    'brier_score': 0.01,
}
METRICS = {
    'validation': FIGURES | {'precision_at_1': 0.8},
    'test': FIGURES,
    'calibration': {'before': {'test': {'expected_calibration_error': 0.009, 'expected_calibration_error_top': 0.07}}},
    'epochs': 2,
    'best_epoch': 1,
    'seconds_per_epoch': 1.5,
    'parameters': 1234,
    'ngrams': 6,
    'labels': 3,
}
HISTORY = (
    'epoch,learning_rate,loss,val_precision_at_1,val_ndcg_at_5,val_log_loss\n'
    '1,0.002,0.08,0.8,0.85,0.05\n'
    '2,0,0.06,0.79,0.84,0.03\n'
)
LABELS = (
    'label\ttraining_papers\tvalidation_papers\ttest_papers\tthreshold\tgiven\ttrue_positives\tprecision\trecall\tf1\t'
    'average_precision\texpected_calibration_error\n'
    'cs.LG\t500\t30\t20\t0.3\t25\t15\t0.6\t0.75\t0.667\t0.8\t0.01\n'
    'cs.CL\t300\t10\t20\t0.4\t10\t8\t0.8\t0.4\t0.533\t0.9\t0.02\n'
    'math.AG\t9\t0\t1\t0.5\t0\t0\t\t0\t0\t\t0.001\n'
)
CURVES = 'label,threshold,precision,recall\ncs.LG,0.9,1,0.1\ncs.LG,0.1,0.5,1\ncs.CL,0.8,1,0.5\ncs.CL,0.1,0.6,1\n'
RELIABILITY = 'pairs_of,lower_edge,pairs,mean_score,share\nall,0,100,0.01,0.02\nall,0.5,20,0.52,0.5\nfirst,0.9,0,,\n'
REVIEW = {
    'intervals': {'papers': 40, 'replicates': 500, 'level': 0.95, 'figures': {'precision_at_1': [0.7, 0.8]}},
    'confusions': [{'label': 'cs.CL', 'given': 'cs.LG', 'papers': 7, 'of': 20}],
    'worst_papers': [
        {
            'id': '1901.00001',
            'title': '<script>alert(1)</script> & more',
            'abstract': 'We <img src="https://example.org/x.png" onerror="alert(2)"> see.',
            'labels': ['cs.CL', 'math.AG'],
            'loss': 1.25,
            'predictions': [
                {
                    'label': 'cs.LG',
                    'score': 0.912,
                    'threshold': 0.3,
                    'accepted': True,
                    'explanation': [
                        {'ngram': '</script><b>', 'contribution': 2.0},
                        {'ngram': 'language', 'contribution': -0.5},
                    ],
                },
                {'label': 'cs.CL', 'score': 0.2, 'threshold': 0.4, 'accepted': False, 'explanation': []},
            ],
        }
    ],
    'label_errors': {
        'method': 'Two sentences. Of a method.',
        'papers': 40,
        'found': [{'id': '1901.00002', 'title': 'A <b>title</b>', 'label': 'cs.LG', 'score': 0.01, 'in_data': True}],
    },
}
MEASURE = {
    'reference': 0.2,
    'new': 0.3,
    'jensen_shannon_distance': 0.1,
    'distance_threshold': 0.2,
    'population_stability_index': 0.3,
    'psi_threshold': 0.2,
    'drifted': True,
}
SCORED = {
    'read': 203,
    'tagged': 200,
    'rejected': {'missing_title': 2, 'too_long': 1},
    'accepted_labels': {'cs.LG': 150, 'cs.CL': 30},
    'model_version': '4',
    'drift': {
        'reference_papers': 300,
        'papers': 200,
        'judged': True,
        'drifted': ['length'],
        'measures': {'length': MEASURE},
        'conclusion': 'drift: flagged: length',
    },
}
LETTER = {
    'source': 'dump.jsonl',
    'position': 1234,
    'reason': 'missing_title',
    'message': 'The title is empty.',
    'raw': '{"title": "", "abstract": "<script>alert(3)</script>"}',
    'raw_encoding': 'utf-8',
}


def month(name, papers, figure):
    """A month of a drift report."""
    figures = ('precision_at_1', 'precision_at_3', 'ndcg_at_5', 'micro_f1')
    return {'month': name, 'papers': papers, **dict.fromkeys(figures, figure)}


DRIFT = SCORED['drift'] | {
    'months': [
        month('2019-01', 50, 0.7),
        month('2019-02', 3, 0.1),
        month('2019-03', 60, 0.9),
        month('unknown', 0, None),
    ]
}


def write(folder, **files):
    """Writes files into a finished output."""
    for name, content in {'COMPLETED': '', **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), 'utf-8')
    return folder


def write_data(folder, **changed):
    """An output of prepare."""
    files = {'statistics.json': STATISTICS, 'manifest.json': MANIFEST, 'overview.json': OVERVIEW}
    return write(folder, **(files | changed))


def write_model(folder, **changed):
    """An output of train."""
    files = {
        'metrics.json': METRICS,
        'history.csv': HISTORY,
        'labels.tsv': LABELS,
        'plots/precision_recall.csv': CURVES,
        'plots/reliability.csv': RELIABILITY,
        'plots/reliability_before.csv': RELIABILITY,
        'review.json': REVIEW,
    }
    return write(folder, **(files | changed))


def write_scored(folder, letters=(LETTER,), **changed):
    """An output of score."""
    lines = ''.join(json.dumps(letter) + '\n' for letter in letters)
    files = {'statistics.json': SCORED, 'dead_letters/part-00000-of-00001.jsonl': lines}
    return write(folder, **(files | changed))
