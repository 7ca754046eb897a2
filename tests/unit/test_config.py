"""A config of the pipeline cannot be wrong: what makes no sense is refused in the words of the flags."""

import pytest

from pipeline import config
from schemas.errors import ConfigError

READ = config.InputConfig(patterns=('in',))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'text': 'body'}, '--text body is not one of title_and_abstract, abstract, title'),
        ({'weighting': 'binary'}, '--weighting binary is not one of tf_idf_l2, tf_idf, count'),
        ({'vocabulary_size': 0}, '--vocabulary_size 0 is not between 1 and 33554432'),
        ({'vocabulary_size': 2**25 + 1}, '--vocabulary_size 33554433 is not between 1 and 33554432'),
        ({'ngram_max': 0}, '--ngram_max 0 is not between 1 and 3'),
        ({'ngram_max': 4}, '--ngram_max 4 is not between 1 and 3'),
        ({'min_document_frequency': 0}, '--min_document_frequency 0 is below 1'),
        ({'max_document_fraction': 0.0}, '--max_document_fraction 0.0 is not above 0 and at most 1'),
        ({'max_document_fraction': 1.5}, '--max_document_fraction 1.5 is not above 0 and at most 1'),
        ({'max_document_fraction': float('nan')}, '--max_document_fraction nan is not above 0 and at most 1'),
        (
            {'sublinear_tf': True, 'weighting': 'count'},
            '--sublinear_tf changes nothing with --weighting count; leave one of them out',
        ),
    ],
)
def test_n_grams_that_make_no_sense_are_refused_in_the_words_of_the_flags(settings, message):
    with pytest.raises(ConfigError) as error:
        config.NgramConfig(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    'settings',
    [
        {'vocabulary_size': 2**25, 'ngram_max': 3, 'min_document_frequency': 1, 'max_document_fraction': 1},
        {'vocabulary_size': 1, 'ngram_max': 1, 'min_document_frequency': 10**9, 'max_document_fraction': 1e-9},
        {'sublinear_tf': True, 'weighting': 'tf_idf'},
        {'sublinear_tf': True, 'weighting': 'tf_idf_l2'},
        {'weighting': 'count'},
    ],
)
def test_the_outermost_n_grams_that_make_sense_are_taken(settings):
    config.NgramConfig(**settings)


@pytest.mark.parametrize('number', [1023, 2**24 + 1])
def test_a_record_is_allowed_between_1024_bytes_and_what_fits_into_a_block(number):
    for allowed in (1024, 2**24):
        config.InputConfig(patterns=('in',), max_record_bytes=allowed)
    with pytest.raises(ConfigError) as error:
        config.InputConfig(patterns=('in',), max_record_bytes=number)
    assert str(error.value) == f'--max_record_bytes {number} is not between 1024 and 16777216'


@pytest.mark.parametrize(
    ('cache', 'output'),
    [
        ('out', 'out'),
        ('out/cache', 'out'),
        ('./out/a/b/', 'out/'),
        ('somewhere/../out/cache', 'out'),
        ('gs://bucket/out/cache', 'gs://bucket/out/'),
    ],
)
def test_a_cache_in_the_output_folder_is_refused(cache, output):
    with pytest.raises(ConfigError) as error:
        config.PrepareConfig(input=READ, output_dir=output, analysis_cache_dir=cache)
    assert str(error.value) == (
        f'--analysis_cache_dir {cache} lies in --output_dir, where only what is published may stand; '
        'choose a folder beside it'
    )


@pytest.mark.parametrize(
    ('cache', 'output'),
    [('cache', 'out'), ('out-cache', 'out'), ('.', 'out'), ('gs://bucket/output', 'gs://bucket/out'), ('/out', 'out')],
)
def test_a_cache_beside_the_output_folder_or_around_it_is_taken(cache, output):
    config.PrepareConfig(input=READ, output_dir=output, analysis_cache_dir=cache)
