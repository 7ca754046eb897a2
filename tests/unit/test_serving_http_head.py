"""Heads and chunks of requests: what is read, and what is refused."""

import pytest

from serving.errors import RequestError
from serving.http_head import MAX_HEAD_BYTES, Chunks, read_head


def head(first=b'POST /v1/tag HTTP/1.1', *headers):
    return read_head(b'\r\n'.join((first, b'Host: localhost', *headers)))


def refused(read):
    with pytest.raises(RequestError) as caught:
        read()
    return caught.value.status, caught.value.body['error']['code']


def test_a_head_is_taken_apart():
    found = head(b'POST /v1/tag?a=1?2 HTTP/1.1', b'Content-Length: 12', b'X-Name:  a b\t', b'Empty:')
    assert found == (
        b'POST',
        b'/v1/tag',
        b'a=1?2',
        1,
        [(b'host', b'localhost'), (b'content-length', b'12'), (b'x-name', b'a b'), (b'empty', b'')],
        12,
        True,
        False,
    )


@pytest.mark.parametrize(
    ('target', 'path'),
    [(b'/', b'/'), (b'http://localhost:8501/v1/tag', b'/v1/tag'), (b'HTTP://localhost', b'/'), (b'*', b'*')],
)
def test_addresses_may_be_whole_as_proxies_get_them(target, path):
    assert head(b'GET ' + target + b' HTTP/1.1').path == path


def test_connections_stay_open_in_http_1_1_unless_the_client_says_close():
    assert head().keep_alive
    assert not head(b'GET / HTTP/1.1', b'Connection: Keep-Alive, Close').keep_alive
    assert not read_head(b'GET / HTTP/1.0').keep_alive


def test_clients_that_wait_for_leave_to_send_a_body_are_known():
    assert head(b'POST / HTTP/1.1', b'Expect: 100-Continue').expects_continue


def test_a_body_comes_in_chunks_or_has_a_length_or_is_not_there():
    assert head(b'POST / HTTP/1.1', b'Transfer-Encoding: Chunked').length is None
    assert head(b'POST / HTTP/1.1', b'Content-Length: 007').length == 7
    assert head().length == 0


@pytest.mark.parametrize(
    'lines',
    [
        (b'',),
        (b'GET /',),
        (b'GET  / HTTP/1.1',),
        (b'GET / HTTP/1.1 ',),
        (b'GET /a b HTTP/1.1',),
        (b'GET nowhere HTTP/1.1',),
        ('GET /é HTTP/1.1'.encode(),),
        (b'GET / HTTP/1.1', b'Host: localhost'),
        (b'GET / HTTP/1.1', b' folded'),
        (b'GET / HTTP/1.1', b'Name : value'),
        (b'GET / HTTP/1.1', b'no colon'),
        (b'GET / HTTP/1.1', b'Name: a\nContent-Length: 5'),
        (b'GET / HTTP/1.1', b'Name: a\x00'),
        (b'POST / HTTP/1.1', b'Content-Length: 5', b'Content-Length: 5'),
        (b'POST / HTTP/1.1', b'Content-Length: 5, 5'),
        (b'POST / HTTP/1.1', b'Content-Length: +5'),
        (b'POST / HTTP/1.1', b'Content-Length: -5'),
        (b'POST / HTTP/1.1', b'Content-Length: 5', b'Transfer-Encoding: chunked'),
        (b'POST / HTTP/1.0', b'Transfer-Encoding: chunked'),
    ],
)
def test_what_two_programs_could_read_in_two_ways_is_refused(lines):
    assert refused(lambda: head(*lines)) == (400, 'bad_request')


def test_a_request_without_a_host_is_refused():
    assert refused(lambda: read_head(b'GET / HTTP/1.1')) == (400, 'bad_request')


def test_other_versions_and_encodings_are_named():
    assert refused(lambda: head(b'PRI * HTTP/2.0')) == (505, 'http_version')
    assert refused(lambda: head(b'POST / HTTP/1.1', b'Transfer-Encoding: gzip, chunked')) == (501, 'transfer_encoding')


def take(*parts, max_bytes=100):
    chunks, buffer = Chunks(max_bytes), bytearray()
    done = False
    for part in parts:
        assert not done
        buffer += part
        done = chunks.take(buffer)
    return done, bytes(chunks.body), bytes(buffer)


CHUNKED = b'4\r\nWiki\r\nA;name=value\r\npedia says\r\n0\r\n\r\n'


def test_chunks_are_joined_and_what_follows_stays():
    assert take(CHUNKED + b'GET /') == (True, b'Wikipedia says', b'GET /')
    assert take(b'0\r\nTrailer: 1\r\nMore: 2\r\n\r\n') == (True, b'', b'')
    assert take(b'4\r\nWi') == (False, b'', b'4\r\nWi')


def test_chunks_may_arrive_byte_by_byte():
    assert take(*(CHUNKED[at : at + 1] for at in range(len(CHUNKED)))) == (True, b'Wikipedia says', b'')


@pytest.mark.parametrize(
    'text', [b'\r\n', b'-1\r\n', b'0x4\r\nWiki\r\n', b'4\r\nWikipedia\r\n', b'4 ' * 200, b'123456789\r\n']
)
def test_chunks_that_are_none_are_refused(text):
    assert refused(lambda: take(text)) == (400, 'bad_request')


def test_chunks_are_refused_when_they_become_too_many_before_they_are_there():
    assert take(b'64\r\n' + 100 * b'a' + b'\r\n0\r\n\r\n')[0]
    assert refused(lambda: take(b'65\r\n')) == (413, 'body_too_large')
    assert refused(lambda: take(b'32\r\n' + 50 * b'a' + b'\r\n', b'33\r\n')) == (413, 'body_too_large')
    assert refused(lambda: take(b'0\r\n' + b'Name: value\r\n' * MAX_HEAD_BYTES)) == (400, 'bad_request')
