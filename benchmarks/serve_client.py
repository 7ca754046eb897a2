"""Asks a server of `arxiv-tagger serve` for the labels of papers, one a request, and writes what it took as JSON.

With --clients, each asks again as soon as it is answered. With --rate, requests are sent at fixed times, whatever the
server does, and a latency counts from the time when its request was due. It does as little as a client can: requests
are made beforehand, of an answer its status and its length are read, and it has one thread.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import pathlib
import re
import time
from collections.abc import Iterator
from typing import Any

_STATUS = re.compile(rb'HTTP/1\.1 (\d{3})')
_LENGTH = re.compile(rb'\r\ncontent-length: (\d+)\r\n', re.IGNORECASE)


def main() -> None:
    """Reads the flags, asks, and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--port', type=int, required=True)
    parser.add_argument('--papers', required=True, metavar='FILE', help='JSON Lines, taken over and over')
    parser.add_argument('--seconds', type=float, default=10)
    parser.add_argument('--warm_up_seconds', type=float, default=1)
    parser.add_argument('--clients', type=int, default=1, metavar='N', help='with --rate, connections at most')
    parser.add_argument('--rate', type=float, metavar='N', help='requests a second')
    parser.add_argument('--result', required=True, metavar='FILE')
    arguments = parser.parse_args()
    lines = pathlib.Path(arguments.papers).read_text('utf-8').splitlines()
    requests = itertools.cycle([_request(json.loads(line)) for line in lines])
    gc.freeze()
    result = asyncio.run(_measure(arguments, requests))
    pathlib.Path(arguments.result).write_text(json.dumps(result) + '\n', 'utf-8')


async def _measure(arguments: argparse.Namespace, requests: Iterator[bytes]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    cpu_begin = time.process_time()
    begin = time.perf_counter() + arguments.warm_up_seconds
    end = begin + arguments.seconds
    clients: list[_Client] = []
    for _ in range(arguments.clients):
        _, client = await loop.create_connection(
            lambda: _Client(requests, again=arguments.rate is None), '127.0.0.1', arguments.port
        )
        clients.append(client)
    if arguments.rate:
        await _send_at_rate(clients, arguments.rate, begin - arguments.warm_up_seconds, end)
    else:
        for client in clients:
            client.send(time.perf_counter())
        await asyncio.sleep(end - time.perf_counter())
    cpu_seconds = time.process_time() - cpu_begin
    number = sum(len(client.answers) for client in clients)
    answers = [answer for client in clients for answer in client.answers if begin <= answer[0] < end]
    latencies = sorted(latency for _, latency, _ in answers)
    return {
        'answers': len(answers),
        'failed': sum(status != 200 for _, _, status in answers),
        'seconds': arguments.seconds,
        'requests_a_second': len(answers) / arguments.seconds,
        'p50': latencies[len(latencies) // 2],
        'p99': latencies[int(len(latencies) * 0.99)],
        'max': latencies[-1],
        'all_answers': number,
        'client_us': 1e6 * cpu_seconds / number,
    }


async def _send_at_rate(clients: list[_Client], rate: float, begin: float, end: float) -> None:
    """Sends at fixed times; each request by a client that is idle, or that has waited longest for an answer."""
    idle = asyncio.Queue[_Client]()
    for client in clients:
        client.idle = idle
        idle.put_nowait(client)
    for number in itertools.count():
        due = begin + number / rate
        if due >= end:
            break
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        (await idle.get()).send(due)
    for _ in clients:
        await idle.get()


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], *, again: bool) -> None:
        self.idle: asyncio.Queue[_Client] | None = None
        # When it was answered, after how long, and with which status.
        self.answers: list[tuple[float, float, int]] = []
        self._requests, self._again = requests, again
        self._received = b''

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if error:
            raise SystemExit(f'the server hung up: {error}')

    def send(self, due: float) -> None:
        self._due = due
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b'\r\n\r\n')
        if not found:
            return
        length = _LENGTH.search(head + b'\r\n')
        status = _STATUS.match(head)
        assert length, head
        assert status, head
        if len(body) < int(length[1]):
            return
        now = time.perf_counter()
        self.answers.append((now, now - self._due, int(status[1])))
        self._received = b''
        if self._again:
            self.send(now)
        elif self.idle:
            self.idle.put_nowait(self)


def _request(paper: dict[str, Any]) -> bytes:
    body = json.dumps({name: paper[name] for name in ('title', 'abstract')}, ensure_ascii=False).encode()
    return b'POST /v1/tag HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)


if __name__ == '__main__':
    main()
