"""The model card says what the model was made from, how good it is, and where it is not."""

import pathlib

from tests.unit.test_label_table import CS_CV, CS_LG, GROUPS, MATH_PR
from trainer.model_card import model_card

METRICS = {
    'validation': {'papers': 182, 'precision_at_1': 0.91, 'micro_f1': 0.8, 'brier_score': 0.021},
    'test': {'papers': 50, 'precision_at_1': 0.9, 'micro_f1': None, 'brier_score': 0.02},
    'thresholds': {'method': 'per_label', 'single': 0.25, 'by_label': {'cs.CV': 0.5, 'cs.LG': 0.25}},
    'calibration': {'scale': 1.1, 'after': {'test': {'brier_score': 0.02}}},
    'epochs': 9,
    'best_epoch': 6,
    'parameters': 1234567,
    'ngrams': 150000,
    'labels': 3,
    'config': {'learning_rate': 0.003, 'hidden_units': (512, 256), 'top_k': 10},
}
MANIFEST = {
    'config': {'ngrams': {'text': 'title_and_abstract', 'ngram_max': 2}},
    'versions': {'arxiv-tagger': '0.1.0', 'tensorflow': '2.21.0'},
    'inputs': [
        {'path': 'dumps/a.csv.zst', 'bytes': 1234, 'sha256': 'f8469d', 'format': 'kaggle_csv', 'compression': 'zstd'}
    ],
}
STATISTICS = {
    'read': 5000,
    'kept': 3712,
    'duplicates': 12,
    'dropped_rare_label_set': 1270,
    'rejected': {'missing_title': 4, 'too_long': 2},
    'splits': {'train': 3480, 'validation': 182, 'test': 50},
}
GOLDEN = pathlib.Path(__file__).parent.parent / 'golden' / 'model_card.md'


def card(**changed):
    given = {'metrics': METRICS, 'manifest': MANIFEST, 'statistics': STATISTICS, 'labels': [CS_CV, CS_LG, MATH_PR]}
    return model_card(**(given | changed), groups=GROUPS)


def test_the_card_is_word_for_word_this():
    assert card() == GOLDEN.read_text()


def test_every_table_has_as_many_cells_in_each_line():
    for table in card().split('\n\n'):
        lines = [line for line in table.splitlines() if line.startswith('|')]
        assert len({line.count(' | ') for line in lines}) <= 1


def test_without_test_papers_the_card_says_so():
    untested = card(labels=[MATH_PR])
    assert '## Labels that do worst\n\nThere are no test papers.\n' in untested
    assert '- 1 label has no test papers, and nothing is known of how well it tells them: math.PR.\n' in untested


def test_labels_with_enough_papers_are_no_limit():
    assert 'fewer than' not in card(labels=[CS_CV])
    assert 'has no test papers' not in card(labels=[CS_CV])
