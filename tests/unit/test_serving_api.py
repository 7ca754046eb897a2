"""Bodies of requests for labels: what is taken, and how what is wrong is told."""

import json

import pytest

from serving import api
from serving.errors import RequestError


def read(value):
    return api.read_request(value if isinstance(value, bytes) else json.dumps(value).encode())


def error_of(value):
    with pytest.raises(RequestError) as caught:
        read(value)
    error = caught.value.body['error']
    return caught.value.status, error['code'], error['message'], error.get('at')


PAPER = {'title': 'On sums', 'abstract': 'We add numbers.'}


def test_a_body_is_one_paper_or_some():
    one = read({**PAPER, 'id': 'a', 'top_k': 3, 'explain': 2})
    assert (one.title, one.abstract, one.id, one.top_k, one.explain) == ('On sums', 'We add numbers.', 'a', 3, 2)
    some = read({'papers': [PAPER, {**PAPER, 'id': 'b'}]})
    assert ([paper.id for paper in some.papers], some.top_k, some.explain) == ([None, 'b'], 10, 0)


def test_numbers_are_whole_as_json_has_them():
    assert read({**PAPER, 'top_k': 3.0}).top_k == 3
    assert error_of({**PAPER, 'top_k': 3.5})[:2] == (422, 'int_type')


@pytest.mark.parametrize('example', api.REQUEST_BODY['content']['application/json']['examples'].values())
def test_the_examples_are_taken(example):
    assert read(example['value']).top_k in (3, 5)


def test_papers_may_be_as_many_as_512_and_texts_empty():
    assert len(read({'papers': [{'title': '', 'abstract': ''}] * 512}).papers) == 512
    assert error_of({'papers': [PAPER] * 513})[:2] == (422, 'too_long')
    assert error_of({'papers': []})[:2] == (422, 'too_short')


def test_what_is_no_json_or_no_utf_8_is_told_as_such():
    assert error_of(b'{"title": "caf\xe9", "abstract": ""}') == (
        400,
        'invalid_utf8',
        'The body is not UTF-8 at byte 14. Send JSON in UTF-8.',
        None,
    )
    status, code, message, _ = error_of(b'{"title": ')
    assert (status, code) == (400, 'invalid_json')
    assert message.startswith('The body is not JSON: ')
    assert error_of(b'')[:2] == (400, 'invalid_json')
    assert error_of(b'{"title": "\\ud800", "abstract": ""}')[:2] == (400, 'invalid_json')
    assert error_of(b'[' * 100_000)[:2] == (400, 'invalid_json')


@pytest.mark.parametrize('value', [None, 3, 'text', [PAPER]])
def test_a_body_that_is_no_object_is_told_what_it_should_be(value):
    assert error_of(value) == (
        422,
        'wrong_type',
        'The body should be a JSON object: {"papers": [...]}, or {"title": "...", "abstract": "..."}.',
        None,
    )


@pytest.mark.parametrize(
    ('value', 'code', 'message', 'at'),
    [
        ({'title': 'On sums'}, 'missing', 'abstract: Field required.', 'abstract'),
        (
            {'papers': [PAPER, {'title': 3, 'abstract': None}]},
            'string_type',
            'papers[1].title: Input should be a valid string (and 1 more).',
            'papers[1].title',
        ),
        ({'papers': 'all'}, 'list_type', 'papers: Input should be a valid list.', 'papers'),
        (
            {'papers': ['On sums']},
            'model_type',
            'papers[0]: Input should be an object.',
            'papers[0]',
        ),
        ({**PAPER, 'top_k': '5'}, 'int_type', 'top_k: Input should be a valid integer.', 'top_k'),
        ({**PAPER, 'top_k': True}, 'int_type', 'top_k: Input should be a valid integer.', 'top_k'),
        (
            {**PAPER, 'top_k': 0},
            'greater_than_equal',
            'top_k: Input should be greater than or equal to 1.',
            'top_k',
        ),
        (
            {**PAPER, 'explain': 101},
            'less_than_equal',
            'explain: Input should be less than or equal to 100.',
            'explain',
        ),
        ({**PAPER, 'topk': 3}, 'extra_forbidden', 'topk: There is no such field.', 'topk'),
        (
            {'title': 'a' * 10_001, 'abstract': ''},
            'string_too_long',
            'title: String should have at most 10000 characters.',
            'title',
        ),
        (
            {'papers': [PAPER] * 512, 'explain': 100},
            'too_many_explanations',
            '512 papers x 10 labels x 100 n-grams are more than 100,000. Send fewer papers, or lower top_k or explain.',
            'explain',
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value, code, message, at):
    assert error_of(value) == (422, code, message, at)
