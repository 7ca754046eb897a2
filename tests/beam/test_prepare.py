"""Every record that was read is accounted for."""

import pytest

from pipeline.prepare import check_accounts, prepare_statistics
from schemas.errors import JobError
from tests.helpers import validate

COUNTS = {
    ('read',): 20,
    ('rejected', 'too_long'): 1,
    ('rejected', 'malformed_csv'): 2,
    ('duplicates',): 3,
    ('dropped_rare_label_set',): 4,
    ('splits', 'train'): 8,
    ('splits', 'validation'): 2,
    ('labels', 'stat.ML', 'validation'): 1,
    ('labels', 'cs.LG', 'train'): 8,
    ('labels', 'cs.LG', 'validation'): 2,
    ('categories', 'renamed', 'cs.NA -> math.NA'): 5,
    ('categories', 'msc_codes'): 6,
    ('ngrams', 'vocabulary'): 100,
    ('ngrams', 'occurrences'): 1000,
}
STATISTICS = {
    'read': 20,
    'kept': 10,
    'duplicates': 3,
    'dropped_rare_label_set': 4,
    'rejected': {'malformed_csv': 2, 'too_long': 1},
    'splits': {'train': 8, 'validation': 2, 'test': 0},
    'labels': {
        'cs.LG': {'train': 8, 'validation': 2, 'test': 0},
        'stat.ML': {'train': 0, 'validation': 1, 'test': 0},
    },
    'categories': {'renamed': {'cs.NA -> math.NA': 5}, 'msc_codes': 6, 'acm_codes': 0, 'unknown': {}},
    'ngrams': {'vocabulary': 100, 'occurrences': 1000},
}


def test_statistics_are_the_sums_of_the_tallies_with_a_zero_for_what_did_not_happen():
    found = prepare_statistics(COUNTS)
    assert found == STATISTICS
    assert list(found) == list(STATISTICS)
    assert list(found['labels']) == ['cs.LG', 'stat.ML']
    validate(found, 'statistics')


def test_accounts_that_add_up_are_accepted():
    check_accounts(STATISTICS)


@pytest.mark.parametrize('part', ['read', 'kept', 'duplicates', 'dropped_rare_label_set'])
def test_a_record_more_or_less_is_noticed(part):
    for change in (-1, 1):
        with pytest.raises(JobError, match='records were read but .* accounted for; nothing was published'):
            check_accounts(STATISTICS | {part: STATISTICS[part] + change})
    with pytest.raises(JobError):
        check_accounts(STATISTICS | {'rejected': {'too_long': 2, 'malformed_csv': 2}})
