"""Addresses: what each answers, and how they are described. A service of a few words stands for the model."""

import asyncio
import json

import pytest
from httpx import ASGITransport, AsyncClient

from serving import app as web
from serving.errors import RequestError
from serving.front import Front
from serving.metrics import ServerMetrics
from serving.server import HEADERS


class Model:
    counts = {'swaps': 2, 'refused': 1}
    version = '5'

    def current(self):
        return self


class Service:
    def __init__(self):
        self.ready = self.alive = True
        self.metrics = ServerMetrics(Model(), lambda: 7)

    async def tag(self, body):
        if body == b'bad':
            raise RequestError(422, 'wrong', 'It is wrong.', at='papers[1].title')
        return body

    def labels(self):
        return b'{"labels":[]}'

    def model(self):
        return b'{"model_version":"5"}'


@pytest.fixture
def service():
    return Service()


def ask(service, method, path, **request):
    async def run():
        front = Front(web.make_app(service), service)
        async with AsyncClient(
            transport=ASGITransport(front, raise_app_exceptions=False), base_url='http://h'
        ) as client:
            return await client.request(method, path, **request)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ('method', 'path', 'status', 'type_', 'cache'),
    [
        ('POST', '/v1/tag', 200, 'application/json', 'no-store'),
        ('GET', '/v1/labels', 200, 'application/json', 'no-store'),
        ('GET', '/v1/model', 200, 'application/json', 'no-store'),
        ('GET', '/v1/other', 404, 'application/json', 'no-store'),
        ('GET', '/healthz', 200, 'application/json', None),
        ('GET', '/readyz', 200, 'application/json', None),
        ('GET', '/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8', None),
        ('GET', '/openapi.json', 200, 'application/json', None),
        ('GET', '/', 200, 'text/html; charset=utf-8', 'no-cache'),
        ('GET', '/page/base.css', 200, 'text/css; charset=utf-8', 'no-cache'),
        ('GET', '/page/page.js', 200, 'text/javascript; charset=utf-8', 'no-cache'),
        ('GET', '/page/..%2Fapp.py', 404, 'application/json', None),
        ('GET', '/page/%2e%2e', 404, 'application/json', None),
        ('GET', '/v1/labels/', 404, 'application/json', 'no-store'),
        ('GET', '/docs', 404, 'application/json', None),
        ('GET', '/redoc', 404, 'application/json', None),
    ],
)
def test_each_address_answers_with_its_type(service, method, path, status, type_, cache):
    answer = ask(service, method, path)
    assert answer.status_code == status
    assert answer.headers['content-type'] == type_
    assert answer.headers.get('cache-control') == cache


def test_errors_have_one_form(service):
    answer = ask(service, 'POST', '/v1/tag', content=b'bad')
    assert (answer.status_code, answer.json()) == (
        422,
        {'error': {'code': 'wrong', 'message': 'It is wrong.', 'at': 'papers[1].title'}},
    )
    answer = ask(service, 'DELETE', '/v1/tag')
    assert (answer.status_code, answer.headers['allow']) == (405, 'POST')
    assert answer.json()['error'] == {
        'code': 'method_not_allowed',
        'message': '/v1/tag: DELETE is not answered. GET /openapi.json lists what there is.',
    }
    assert ask(service, 'GET', '/nothing').json()['error'] == {
        'code': 'not_found',
        'message': '/nothing: there is nothing. GET /openapi.json lists what there is.',
    }


def test_a_failure_of_ours_is_told_without_its_details(service):
    def fail():
        raise ValueError('a secret')

    service.labels = fail
    answer = ask(service, 'GET', '/v1/labels')
    assert (answer.status_code, answer.json()) == (
        500,
        {'error': {'code': 'internal', 'message': 'The server failed on this request. Its log says why.'}},
    )


def test_a_strange_host_is_no_matter(service):
    for path, status in (('/healthz', 200), ('/nothing', 404)):
        assert ask(service, 'GET', path, headers={'Host': '[::1'}).status_code == status


def test_a_server_that_ends_says_that_it_is_not_ready_and_lives(service):
    service.ready = False
    assert ask(service, 'GET', '/readyz').status_code == 503
    assert ask(service, 'GET', '/healthz').status_code == 200


def test_a_server_that_can_answer_no_more_does_not_live(service):
    service.alive = False
    assert ask(service, 'GET', '/healthz').status_code == 503


def test_metrics_tell_requests_by_path_and_status_and_of_the_model(service):
    ask(service, 'POST', '/v1/tag', content=b'bad')
    ask(service, 'GET', '/page/page.js')
    ask(service, 'GET', '/any/path/at/all')
    service.metrics.batch(3)
    service.metrics.batch(5)
    service.metrics.refused(408)
    lines = ask(service, 'GET', '/metrics').text.splitlines()
    for line in (
        'arxiv_tagger_requests_total{path="/v1/tag",status="422"} 1.0',
        'arxiv_tagger_requests_total{path="/page",status="200"} 1.0',
        'arxiv_tagger_requests_total{path="other",status="404"} 1.0',
        'arxiv_tagger_requests_total{path="none",status="408"} 1.0',
        'arxiv_tagger_request_seconds_count{path="/v1/tag"} 1.0',
        'arxiv_tagger_papers_total 8.0',
        'arxiv_tagger_batch_papers_count 2.0',
        'arxiv_tagger_model_version{version="5"} 1.0',
        'arxiv_tagger_model_swaps_total 2.0',
        'arxiv_tagger_model_refused_total 1.0',
        'arxiv_tagger_waiting_papers 7.0',
    ):
        assert line in lines


def test_the_description_has_every_address_with_examples_and_errors(service):
    described = ask(service, 'GET', '/openapi.json').json()
    assert sorted(described['paths']) == ['/healthz', '/metrics', '/readyz', '/v1/labels', '/v1/model', '/v1/tag']
    tag = described['paths']['/v1/tag']['post']
    assert sorted(tag['responses']) == ['200', '400', '408', '413', '422', '431', '500', '503']
    content = tag['requestBody']['content']['application/json']
    assert sorted(content['examples']) == ['one', 'some']
    one, some = content['schema']['anyOf']
    assert sorted(one['properties']) == ['abstract', 'explain', 'id', 'title', 'top_k']
    assert (some['properties']['papers']['maxItems'], some['additionalProperties']) == (512, False)
    for body in (one, some):
        limits = [
            {name: body['properties'][field][name] for name in ('minimum', 'maximum', 'default')}
            for field in ('top_k', 'explain')
        ]
        assert limits == [{'minimum': 1, 'maximum': 200, 'default': 10}, {'minimum': 0, 'maximum': 100, 'default': 0}]
    assert '$ref' not in json.dumps(content)


def test_no_page_may_run_what_does_not_come_from_the_server():
    headers = dict(HEADERS)
    assert headers == {
        'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
    }
