"""Servers in processes of their own, for tests."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys

from tests.conftest import ROOT

PATIENCE = 30


class Server:
    """A server in a process of its own."""

    def __init__(self, model_dir, *flags):
        command = ['serve', '--model_dir', model_dir, '--port', 0, '--poll_seconds', 0.2, *flags]
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'pipeline.cli', *map(str, command)],
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.expected_log = ''
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith('http://127.0.0.1:'), self.process.stderr.read()
        self.port = int(self.url.rpartition(':')[2])

    def ask(self, path, body=None, method=None):
        """Sends a request on a connection of its own; returns status, headers and the parsed answer."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method or ('GET' if body is None else 'POST'), path, content)
            answer = connection.getresponse()
            text = answer.read()
        is_json = answer.headers['Content-Type'] == 'application/json'
        return answer.status, dict(answer.headers), json.loads(text) if is_json else text

    def tag(self, **body):
        status, _, answer = self.ask('/v1/tag', body)
        assert status == 200, answer
        return answer

    def model(self):
        return self.ask('/v1/model')[2]

    def connect(self):
        connection = socket.create_connection(('127.0.0.1', self.port), timeout=PATIENCE)
        connection.settimeout(PATIENCE)
        return connection

    def metric(self, name):
        [value] = [line.split()[-1] for line in self.ask('/metrics')[2].decode().splitlines() if line.startswith(name)]
        return float(value)

    def end(self):
        """Tells it to end; returns its exit code and what it said."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err
