"""`serve`: a real server with a real model, its answers under load, and what it withstands."""

import concurrent.futures
import contextlib
import json
import random
import shutil
import socket
import struct
import threading
import time

import pytest

from tests.conftest import run_command
from tests.helpers import wait_for
from tests.integration.servers import Server


@pytest.fixture(scope='module')
def served_model(model_dir, tmp_path_factory):
    """A model of its own, to which versions are added."""
    return shutil.copytree(model_dir, tmp_path_factory.mktemp('served') / 'model')


@pytest.fixture(scope='module')
def server(served_model):
    server = Server(served_model, '--read_seconds', 1, '--queue_papers', 600)
    yield server
    assert server.end() == (0, '', server.expected_log)


@pytest.fixture(scope='module')
def references(model_dir):
    """Papers, with what the model said of them when it was exported."""
    path = model_dir / 'export' / '1' / 'assets.extra' / 'reference_papers.jsonl'
    return [json.loads(line) for line in path.read_text().splitlines()]


def text_of(paper):
    return {name: paper[name] for name in ('title', 'abstract')}


def check(paper, predictions, expected):
    """Checks that these are the best labels of a reference paper."""
    number = len(predictions)
    assert [prediction['label'] for prediction in predictions] == expected['labels'][:number], paper
    assert [prediction['accepted'] for prediction in predictions] == expected['accepted'][:number]
    assert [prediction['score'] for prediction in predictions] == pytest.approx(expected['scores'][:number], abs=1e-4)


def test_papers_get_the_labels_that_their_model_gave_them_when_it_was_exported(server, references):
    answer = server.tag(papers=[{**text_of(paper), 'id': str(n)} for n, paper in enumerate(references)], top_k=3)
    assert answer['model_version'] == '1'
    assert [paper['id'] for paper in answer['papers']] == [str(number) for number in range(len(references))]
    for paper, expected in zip(answer['papers'], references, strict=True):
        check(paper, paper['predictions'], expected)


def test_a_prediction_has_its_name_its_threshold_and_the_ngrams_that_weigh_most(server, references):
    labels = {label['label']: label for label in server.ask('/v1/labels')[2]['labels']}
    assert labels['cs.CL'] == {
        'label': 'cs.CL',
        'name': 'Computation and Language',
        'group': 'cs',
        'threshold': labels['cs.CL']['threshold'],
    }
    [paper] = server.tag(**text_of(references[0]), top_k=200, explain=4)['papers']
    assert len(paper['predictions']) == min(len(labels), 200)
    text = ' '.join(text_of(references[0]).values()).lower()
    for prediction in paper['predictions']:
        assert {name: prediction[name] for name in ('name', 'threshold')} == {
            name: labels[prediction['label']][name] for name in ('name', 'threshold')
        }
        assert prediction['accepted'] == (prediction['score'] >= prediction['threshold'])
        weights = [abs(ngram['contribution']) for ngram in prediction['explanation']]
        assert len(weights) == 4
        assert weights == sorted(weights, reverse=True)
    first = paper['predictions'][0]['explanation'][0]['ngram'].split()[0]
    assert first in text


def test_concurrent_requests_get_the_answers_that_they_get_alone(server, references):
    before = server.metric('arxiv_tagger_batch_papers_count')
    asked = random.Random(8)

    def ask(number):
        papers = asked.sample(references, asked.choice((1, 1, 1, 5, 40 % len(references))))
        top_k, explain = asked.randint(1, 5), asked.choice((0, 0, 0, 2))
        answer = server.tag(papers=[text_of(paper) for paper in papers], top_k=top_k, explain=explain)
        for paper, expected in zip(answer['papers'], papers, strict=True):
            check(paper, paper['predictions'], expected)
            for prediction in paper['predictions']:
                assert len(prediction.get('explanation', [])) == explain
        return len(papers)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        papers = list(pool.map(ask, range(200)))
    assert sum(papers) > 200
    assert server.metric('arxiv_tagger_batch_papers_count') - before < len(papers)


def test_a_refused_request_is_told_why_and_harms_no_other(server, references):
    paper = text_of(references[0])
    for body, status, code in (
        (b'{"title": "caf\xe9"}', 400, 'invalid_utf8'),
        (b'title', 400, 'invalid_json'),
        ({'papers': [{'title': 3, 'abstract': 'a'}]}, 422, 'string_type'),
        ({'papers': [paper] * 513}, 422, 'too_long'),
        ({**paper, 'top_k': 0}, 422, 'greater_than_equal'),
        (b' ' * 2_000_001, 413, 'body_too_large'),
    ):
        found, headers, answer = server.ask('/v1/tag', body)
        assert (found, answer['error']['code']) == (status, code)
        assert answer['error']['message']
        assert headers['X-Content-Type-Options'.lower()] == 'nosniff'
        assert "script-src 'self'" in headers['content-security-policy']
        assert headers['cache-control'] == 'no-store'
    assert len(server.tag(papers=[paper] * 512, top_k=1)['papers']) == 512


def test_odd_texts_are_answered(server):
    odd = ['', ' ', '\0', '\u202e', '🙂' * 1000, '<script>alert(1)</script>', 'a' * 10_000, '\n' * 1000, '統計']
    answer = server.tag(papers=[{'title': text, 'abstract': text} for text in odd], top_k=2, explain=3)
    assert [len(paper['predictions']) for paper in answer['papers']] == [2] * len(odd)


def test_slow_clients_are_told_so_and_hold_nobody_up(server, references):
    slow = [server.connect() for _ in range(30)]
    for number, connection in enumerate(slow):
        head = b'POST /v1/tag HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n'
        connection.sendall((head + b'{"title": ')[: 20 + 4 * number])
    begin = time.monotonic()
    server.tag(**text_of(references[0]))
    assert time.monotonic() - begin < 5
    for connection in slow:
        assert connection.recv(100).startswith(b'HTTP/1.1 408 Request Timeout\r\n')
        connection.close()


def test_clients_that_hang_up_harm_no_other(server, references):
    body = json.dumps({'papers': [text_of(paper) for paper in references], 'explain': 5}).encode()
    request = b'POST /v1/tag HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)
    for number in range(20):
        connection = server.connect()
        connection.sendall(request if number % 2 else request[:-1])
        if number % 3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        connection.close()
    check(None, server.tag(**text_of(references[0]), top_k=2)['papers'][0]['predictions'], references[0])
    assert server.metric('arxiv_tagger_waiting_papers') == 0


def test_more_than_can_wait_is_told_to_come_again(server, references):
    papers = [text_of(paper) for paper in references] * 10

    def ask(_):
        status, headers, answer = server.ask('/v1/tag', {'papers': papers, 'top_k': 5, 'explain': 5})
        return status, headers.get('retry-after'), answer.get('error', {}).get('code')

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(ask, range(24)))
    assert answers == {(200, None, None), (503, '1', 'overloaded')}


def test_another_version_takes_over_under_load_and_a_bad_one_never_does(server, served_model, references):
    exports = served_model / 'export'
    failures, done = [], threading.Event()

    def ask(versions):
        while not done.is_set():
            try:
                answer = server.tag(**text_of(references[0]), top_k=2)
                check(None, answer['papers'][0]['predictions'], references[0])
                versions.append(answer['model_version'])
            except Exception as error:
                failures.append(error)
                return

    found = [[] for _ in range(4)]
    asking = [threading.Thread(target=ask, args=(versions,)) for versions in found]
    for thread in asking:
        thread.start()
    try:
        shutil.copytree(exports / '1', exports / 'new')
        (exports / 'new').rename(exports / '2')
        wait_for(lambda: server.model()['model_version'] == '2')
        shutil.copytree(exports / '1', exports / 'new')
        [data] = (exports / 'new' / 'variables').glob('variables.data-*')
        data.write_bytes(bytes(data.stat().st_size))
        (exports / 'new').rename(exports / '3')
        wait_for(lambda: server.model()['refused'])
        time.sleep(0.2)
    finally:
        done.set()
        for thread in asking:
            thread.join()
    assert failures == []
    for versions in found:
        assert versions == sorted(versions)
        assert set(versions) == {'1', '2'}
    model = server.model()
    [refused] = model['refused']
    assert (model['model_version'], refused['version']) == ('2', '3')
    assert refused['reason'].startswith(f'{exports}/3 ')
    # What is published is of version 3.
    assert (model['metrics'], model['model_card']) == (None, None)
    assert server.metric('arxiv_tagger_model_version{version="2"}') == 1
    assert server.metric('arxiv_tagger_model_swaps_total') == 1
    assert server.metric('arxiv_tagger_model_refused_total') == 1
    server.expected_log = (
        f'WARNING:pipeline.watched_model:Version 3 is refused, version 2 goes on serving: {refused["reason"]}\n'
    )


def test_the_metrics_and_the_card_of_the_model_are_shown(server, served_model):
    shutil.rmtree(served_model / 'export' / '3', ignore_errors=True)
    model = server.model()
    assert model['metrics'] == json.loads((served_model / 'metrics.json').read_text())
    assert model['model_card'] == (served_model / 'model_card.md').read_text()


def test_a_port_that_is_taken_is_told_in_one_line(server, served_model):
    done = run_command('serve', '--model_dir', served_model, '--port', server.port, check=False)
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr == (
        f'arxiv-tagger: Cannot listen at --host 127.0.0.1 --port {server.port}: Address already in use. '
        'Choose another.\n'
    )


def test_told_to_end_under_load_it_finishes_what_it_took_and_takes_no_more(served_model, references):
    server = Server(served_model)
    body = json.dumps({'papers': [text_of(paper) for paper in references], 'top_k': 5, 'explain': 3}).encode()
    request = b'POST /v1/tag HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)
    answered, cut_off, lock = [], [], threading.Lock()

    def ask():
        with contextlib.suppress(ConnectionError):
            while True:
                # So that nothing is sent that was not taken, each request has its connection.
                with server.connect() as connection:
                    connection.sendall(request)
                    answer = _read(connection)
                with lock:
                    (answered if answer else cut_off).append(answer)
                if not answer:
                    return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answered) > 20)
    code, out, err = server.end()
    for thread in threads:
        thread.join()
    assert (code, out, err) == (0, '', '')
    statuses = [answer.split()[1] for answer in answered]
    assert set(statuses) <= {b'200', b'503'}
    for answer in answered:
        head, _, text = answer.partition(b'\r\n\r\n')
        assert f'content-length: {len(text)}'.encode() in head
        if answer.split()[1] == b'200':
            assert len(json.loads(text)['papers']) == len(references)
    with pytest.raises(ConnectionError):
        server.connect()


def _read(connection):
    """Reads one answer; nothing, where the server closed before it took the request."""
    text = b''
    while True:
        head, found, body = text.partition(b'\r\n\r\n')
        if found and len(body) == int(head.lower().partition(b'content-length: ')[2].split()[0]):
            return text
        try:
            more = connection.recv(1 << 20)
        except ConnectionResetError:
            more = b''
        if not more:
            assert not text, text[:100]
            return b''
        text += more
