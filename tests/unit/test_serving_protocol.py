"""Connections: whole requests in, whole answers out, and what becomes of clients that do not keep to the rules."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from types import SimpleNamespace

import pytest
from uvicorn.server import ServerState

from serving.protocol import Protocol, Timeouts


class App:
    """An application that answers what it was sent, when it is allowed to."""

    def __init__(self):
        self.requests = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.cancelled = 0

    async def __call__(self, scope, receive, send):
        body = (await receive())['body']
        self.requests.append((scope['method'], scope['path'], scope['query_string'], body))
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if scope['path'] == '/fails':
            raise ValueError('on purpose')
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'x-path', scope['raw_path'])]})
        await send({'type': 'http.response.body', 'body': b'got ', 'more_body': True})
        await send({'type': 'http.response.body', 'body': body})


class Server:
    """A server of the application, with whole connections as tests see them."""

    def __init__(self, app, port, state):
        self.app, self.port, self.state = app, port, state

    async def connect(self):
        return await asyncio.open_connection('127.0.0.1', self.port)

    async def ask(self, *parts):
        """Sends parts on a connection; returns all that comes until the server closes it."""
        reader, writer = await self.connect()
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.005)
        text = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return text


def serve(test, **timeouts):
    """Runs a test with a server."""

    class Quick(Protocol):
        pass

    async def run():
        app, state = App(), ServerState()
        state.default_headers = [(b'date', b'today')]
        config = SimpleNamespace(loaded_app=app)
        Quick.timeouts = Timeouts(**timeouts)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Quick(config, state, {}), '127.0.0.1', 0)

        async def check():
            while True:
                await asyncio.sleep(0.01)
                for connection in list(state.connections):
                    connection.check_time(time.monotonic())

        checks = asyncio.create_task(check())
        try:
            return await test(Server(app, server.sockets[0].getsockname()[1], state))
        finally:
            checks.cancel()
            server.close()

    return asyncio.run(run())


POST = b'POST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello'
LAST = b'GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'
LAST_ANSWER = b'HTTP/1.1 200 OK\r\ndate: today\r\nx-path: /last\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngot '


def error_of(answer):
    head, _, body = answer.partition(b'\r\n\r\n')
    error = json.loads(body)['error']
    assert b'connection: close' in head
    assert f'content-length: {len(body)}'.encode() in head
    return int(head.split()[1]), error['code']


def test_a_connection_serves_one_request_after_the_other():
    async def test(server):
        answer = await server.ask(POST, LAST)
        assert answer == (
            b'HTTP/1.1 200 OK\r\ndate: today\r\nx-path: /a%20b\r\ncontent-length: 9\r\n\r\ngot hello' + LAST_ANSWER
        )
        assert server.app.requests == [('POST', '/a b', b'c=d', b'hello'), ('GET', '/last', b'', b'')]

    serve(test)


def test_requests_may_be_sent_before_the_answers_and_byte_by_byte():
    async def test(server):
        answers = [await server.ask(POST + POST + LAST), await server.ask(*(bytes([byte]) for byte in POST), LAST)]
        assert [answer.count(b'got hello') for answer in answers] == [2, 1]
        assert all(answer.endswith(LAST_ANSWER) for answer in answers)

    serve(test)


def test_a_body_may_come_in_chunks_and_may_wait_for_leave():
    async def test(server):
        chunked = b'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'
        answer = await server.ask(chunked + b'2\r\nhe\r\n', b'3\r\nllo\r\n0\r\n\r\n', LAST)
        assert b'got hello' in answer
        answer = await server.ask(
            b'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n', b'hello', LAST
        )
        assert answer.startswith(b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n')

    serve(test)


def test_a_head_request_gets_no_body():
    async def test(server):
        answer = await server.ask(b'HEAD /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
        assert answer == LAST_ANSWER.removesuffix(b'got ')

    serve(test)


def test_an_application_that_fails_is_told_as_such():
    async def test(server):
        reader, writer = await server.connect()
        writer.write(b'GET /fails HTTP/1.1\r\nHost: h\r\n\r\n' + LAST)
        answer = await reader.read()
        assert b'500 Internal Server Error' in answer
        assert b'"code":"internal"' in answer
        assert b'on purpose' not in answer
        assert answer.endswith(LAST_ANSWER)
        writer.close()

    serve(test)


@pytest.mark.parametrize(
    ('sent', 'answer'),
    [
        (b'nonsense\r\n\r\n', (400, 'bad_request')),
        (b'GET / HTTP/1.1\r\nHost: h\r\nName: ' + b'a' * 20_000, (431, 'head_too_large')),
        (b'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000001\r\n\r\n', (413, 'body_too_large')),
        (b'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1E8481\r\n', (413, 'body_too_large')),
    ],
)
def test_what_is_wrong_is_answered_once_and_the_connection_closed(sent, answer):
    async def test(server):
        assert error_of(await server.ask(sent, b'GET / HTTP/1.1\r\nHost: h\r\n\r\n')) == answer
        assert server.app.requests == []

    serve(test)


def test_who_sends_too_much_gets_to_read_why():
    async def test(server):
        reader, writer = await server.connect()
        writer.write(b'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n' + bytes(5_000_000))
        await writer.drain()
        assert error_of(await reader.read()) == (413, 'body_too_large')
        writer.close()

    serve(test)


@pytest.mark.parametrize(
    'sent',
    [b'POST /', b'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell'],
)
def test_a_request_that_comes_too_slowly_is_answered_408_and_holds_up_no_other(sent):
    async def test(server):
        slow = asyncio.create_task(server.ask(sent))
        await asyncio.sleep(0.02)
        assert b'got hello' in await server.ask(POST, LAST)
        assert error_of(await slow) == (408, 'too_slow')

    serve(test, read=0.1)


def test_a_client_that_hangs_up_while_it_is_answered_408_stops_no_time_limits():
    async def test(server):
        with socket.create_connection(('127.0.0.1', server.port)) as hasty:
            hasty.sendall(b'POST /')
            while not server.state.connections:
                await asyncio.sleep(0.005)
            [connection] = server.state.connections
            transport = connection._transport
            write = transport.write

            def write_and_be_left(data):
                write(data)
                hasty.recv(10)
                # With a reset: there is more that it has not read.
                hasty.close()

            transport.write = write_and_be_left
            async with asyncio.timeout(5):
                while server.state.connections:
                    await asyncio.sleep(0.005)
        assert error_of(await server.ask(POST[:-1])) == (408, 'too_slow')

    serve(test, read=0.1)


def test_bytes_that_trickle_in_do_not_make_the_time_longer():
    async def test(server):
        reader, writer = await server.connect()
        answer = asyncio.create_task(reader.read())
        begin = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while not answer.done():
                writer.write(b'a')
                await writer.drain()
                await asyncio.sleep(0.01)
        assert time.monotonic() - begin < 2
        assert error_of(await answer) == (408, 'too_slow')
        writer.close()

    serve(test, read=0.1)


def test_a_connection_that_says_nothing_is_closed_after_a_while():
    async def test(server):
        assert await server.ask() == b''
        assert (await server.ask(POST)).endswith(b'got hello')
        assert not server.state.connections

    serve(test, read=0.05, keep_alive=0.05)


def test_a_client_that_takes_no_answer_is_cut_off():
    async def test(server):
        _, writer = await server.connect()
        body = bytes(1_900_000)
        for _ in range(6):
            writer.write(b'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1900000\r\n\r\n' + body)
        async with asyncio.timeout(5):
            while not server.state.connections:
                await asyncio.sleep(0.01)
            while server.state.connections:
                await asyncio.sleep(0.01)
        writer.close()

    serve(test, write=0.05)


@pytest.mark.parametrize('hang_up', ['close', 'write_eof', 'reset'])
def test_the_work_for_a_client_that_hangs_up_is_dropped(hang_up):
    async def test(server):
        server.app.go_on.clear()
        _, writer = await server.connect()
        writer.write(POST)
        while not server.app.requests:
            await asyncio.sleep(0.005)
        if hang_up == 'reset':
            # Closes with a reset in place of an end.
            writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        getattr(writer, hang_up.replace('reset', 'close'))()
        async with asyncio.timeout(5):
            while not server.app.cancelled:
                await asyncio.sleep(0.005)
        assert not server.state.connections
        assert not server.state.tasks
        writer.close()

    serve(test)


def test_a_server_that_ends_finishes_what_it_took_and_takes_no_more():
    async def test(server):
        server.app.go_on.clear()
        taken, half, idle = [asyncio.create_task(server.ask(sent)) for sent in (POST + POST, POST[:-1], b'')]
        while not server.app.requests or len(server.state.connections) < 3:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        for connection in list(server.state.connections):
            connection.shutdown()
        assert error_of(await half) == (503, 'shutting_down')
        assert await idle == b''
        server.app.go_on.set()
        answer = await taken
        assert answer.count(b'HTTP/1.1 200 OK') == 1
        assert answer.endswith(b'connection: close\r\n\r\ngot hello')
        assert len(server.app.requests) == 1

    serve(test)


def test_connections_beyond_the_limit_are_told_to_come_again(monkeypatch):
    monkeypatch.setattr(Protocol, 'max_connections', 2)

    async def test(server):
        kept = [await server.connect() for _ in range(2)]
        while len(server.state.connections) < 2:
            await asyncio.sleep(0.005)
        answer = await server.ask()
        assert error_of(answer) == (503, 'overloaded')
        assert b'retry-after: 1' in answer
        for _, writer in kept:
            writer.close()

    serve(test)
