"""`serve --workers`: several processes at one port, and what happens to the others when one ends."""

import contextlib
import http.client
import json
import os
import pathlib
import signal

import pytest

from tests.conftest import run_command
from tests.helpers import wait_for
from tests.integration.servers import PATIENCE, Server

BODY = json.dumps({'title': 'Galaxies', 'abstract': 'We map the dust of spiral galaxies.'})


@pytest.fixture
def server(model_dir, tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    server = Server(model_dir, '--workers', 2)
    server.folder = tmp_path
    yield server
    if server.process.poll() is None:
        server.process.kill()
    server.process.communicate()


def workers_of(server):
    """Returns the ids of its processes."""
    pid = server.process.pid
    return set(map(int, pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()))


def runs(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    return False


def connections_of(pid):
    """Counts the sockets of a process."""
    folder = pathlib.Path(f'/proc/{pid}/fd')
    return sum(os.readlink(file).startswith('socket:') for file in folder.iterdir())


def test_processes_share_connections_and_their_counts_are_told_together(server):
    workers = workers_of(server)
    assert len(workers) == 2
    before = {pid: connections_of(pid) for pid in workers}
    connections = [http.client.HTTPConnection('127.0.0.1', server.port, timeout=PATIENCE) for _ in range(40)]
    answers = set()
    for _ in range(2):
        for connection in connections:
            connection.request('POST', '/v1/tag', BODY)
            answer = connection.getresponse()
            assert answer.status == 200
            answers.add(answer.read())
    assert len(answers) == 1
    taken = {pid: connections_of(pid) - before[pid] for pid in workers}
    assert sum(taken.values()) == 40
    assert min(taken.values()) > 0
    for connection in connections:
        connection.close()
    assert server.metric('arxiv_tagger_requests_total{path="/v1/tag",status="200"}') == 80
    assert server.metric('arxiv_tagger_papers_total') == 80
    assert server.metric('arxiv_tagger_model_version{version="1"}') == 1
    assert server.end() == (0, '', '')
    assert not any(map(runs, workers))
    assert list(server.folder.glob('arxiv-tagger-*')) == []


def test_a_process_that_is_killed_is_replaced_and_others_go_on(server):
    before = workers_of(server)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: not runs(killed))
    for _ in range(20):
        assert server.ask('/v1/tag', BODY.encode())[0] == 200
    wait_for(lambda: len(workers_of(server) - {killed}) == 2)
    assert len(workers_of(server) & before - {killed}) == 1
    code, out, err = server.end()
    assert (code, out) == (0, '')
    assert 'A process of the server has ended (SIGKILL); another takes its place.' in err.splitlines()[0]


def test_processes_end_with_the_one_that_minds_them(server):
    workers = workers_of(server)
    server.process.kill()
    wait_for(lambda: not any(map(runs, workers)))


def test_what_is_wrong_with_the_model_is_said_once(model_dir, tmp_path):
    (tmp_path / 'export' / '1').mkdir(parents=True)
    (tmp_path / 'COMPLETED').write_bytes((model_dir / 'COMPLETED').read_bytes())
    done = run_command('serve', '--model_dir', tmp_path, '--port', 0, '--workers', 3, check=False)
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith(f'arxiv-tagger: {tmp_path}/export/1 is empty; ')
    assert len(done.stderr.splitlines()) == 1
