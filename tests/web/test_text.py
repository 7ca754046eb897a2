"""The pure functions of the page, called in the browser: how it splits text, and what it marks."""

from __future__ import annotations

import pytest

TEXTS = [
    'State-of-the-art (deep) networks: 3.5 % better!',
    '  two  blanks,\ttabs\nand\r\nlines \x0b\x0c ',
    "Erdős–Rényi graphs, İstanbul, ΑΒΓ, don't, $\\alpha_{i}^2$ a_b [c] `d` ~e~ | f",
    'a - b -- c ... — d',
    'non\u00a0breaking\u2003blanks\u2028do not split',
    '💡 ideas, 日本語 text',
    '',
    ' \n ',
    '!!!',
]


def call(page, module, function, *arguments):
    return page.evaluate(
        '([module, name, given]) => import(`./page/${module}`).then((found) => found[name](...given))',
        [module, function, list(arguments)],
    )


@pytest.mark.parametrize('text', TEXTS)
def test_the_page_splits_words_as_the_model_does(page, text):
    import tensorflow as tf

    from pipeline.preprocessing import split_words

    expected = [word.decode() for word in split_words(tf.constant([text]))[0].numpy()]
    assert [found['word'] for found in call(page, 'text.js', 'wordsOf', text)] == expected


def test_a_word_stands_where_it_is_without_the_marks_around_it(page):
    assert call(page, 'text.js', 'wordsOf', 'State-of-the-art (deep)') == [
        {'word': 'stateoftheart', 'start': 0, 'end': 16},
        {'word': 'deep', 'start': 18, 'end': 22},
    ]


def test_ngrams_are_marked_and_what_overlaps_is_added_up(page):
    explanation = [
        {'ngram': 'neural networks', 'contribution': 0.5},
        {'ngram': 'networks', 'contribution': 0.25},
        {'ngram': 'stars', 'contribution': -1.0},
        {'ngram': 'end begin', 'contribution': 0.125},
    ]
    texts = ['Neural, networks (stars) end', 'begin: networks']
    assert call(page, 'text.js', 'highlighted', texts, explanation) == [
        [
            {'text': 'Neural, networks', 'contribution': 0.75},
            {'text': ' (', 'contribution': 0},
            {'text': 'stars', 'contribution': -1},
            {'text': ') ', 'contribution': 0},
            {'text': 'end', 'contribution': 0.125},
        ],
        [
            {'text': 'begin', 'contribution': 0.125},
            {'text': ': ', 'contribution': 0},
            {'text': 'networks', 'contribution': 0.25},
        ],
    ]


def test_pieces_joined_are_the_text(page):
    explanation = [{'ngram': 'a', 'contribution': 1.0}, {'ngram': 'c d', 'contribution': -1.0}]
    pieces = call(page, 'text.js', 'highlighted', TEXTS, explanation)
    assert [''.join(piece['text'] for piece in text) for text in pieces] == TEXTS


@pytest.mark.parametrize(
    ('score', 'text'),
    [(0, '0 %'), (0.004, 'under 1 %'), (0.01, '1 %'), (0.496, '50 %'), (0.999, '99 %'), (1, '100 %')],
)
def test_probabilities_are_written_for_people(page, score, text):
    assert call(page, 'suggestions.js', 'percent', score).replace('\u00a0', ' ') == text


@pytest.mark.parametrize(
    ('query', 'found'),
    [
        ('cs', ['cs.LG', 'cs.RO']),
        ('cs.l', ['cs.LG']),
        ('MACHINE learn', ['cs.LG', 'stat.ML']),
        ('ml', ['stat.ML']),
        ('botics', []),
        ('machine robotics', []),
    ],
)
def test_a_search_finds_the_beginnings_of_words(page, query, found):
    names = {'cs.LG': 'Machine Learning', 'cs.RO': 'Robotics', 'stat.ML': 'Machine Learning'}
    labels = [{'label': label, 'name': name} for label, name in names.items()]
    assert [label['label'] for label in call(page, 'search.js', 'find', labels, query)] == found
