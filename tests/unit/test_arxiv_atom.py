"""Every entry of the API's answers is a paper's record, and an error is a dead letter."""

import pathlib

from pipeline.readers.arxiv_atom import FORMAT
from tests.helpers import read, recognised, split_letters

FORMATS = pathlib.Path(__file__).parent.parent / 'formats'
PAGE, EMPTY, ERROR = ((FORMATS / f'atom{name}.xml').read_bytes() for name in ('_page', '_empty', '_error'))


def test_a_feed_is_recognised_by_content():
    assert [recognised(content).format for content in (PAGE, EMPTY, ERROR)] == [FORMAT.name] * 3
    assert FORMAT.name == 'arxiv_atom'


def test_an_entry_is_a_record():
    [fields], letters = split_letters(read(PAGE))
    assert letters == []
    assert fields['abstract'].startswith('Graphs on lattice points are studied whose edges come from a finite set')
    assert fields['abstract'].endswith(', is an expander in fixed dimension.')
    assert {name: value for name, value in fields.items() if name != 'abstract'} == {
        'id': 'http://arxiv.org/abs/1605.08386v1',
        'title': 'Heat-bath random walks with Markov bases',
        'categories': ['math.CO', 'math.ST'],
        'updated': '2016-05-26T17:59:46Z',
    }


def test_pages_may_follow_one_another_and_an_empty_one_holds_nothing():
    fields, letters = split_letters(read(EMPTY + PAGE + EMPTY + PAGE))
    assert (letters, [one['id'] for one in fields]) == ([], ['http://arxiv.org/abs/1605.08386v1'] * 2)
    assert read(EMPTY) == []


def test_an_error_is_a_dead_letter_with_what_the_server_said():
    fields, [letter] = split_letters(read(ERROR))
    assert fields == []
    assert (letter.reason, letter.message) == ('error_response', 'the API answered: incorrect id format for abc')
