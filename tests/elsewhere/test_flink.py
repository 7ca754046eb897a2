"""On a real Flink cluster jobs give what they give here, whatever dies meanwhile; `make test-flink` runs these."""

import collections
import contextlib
import gzip
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from pipeline.engines.flink_runner import FlinkRest
from tests.conftest import ROOT, files_below, run_command, write_json_lines

CLUSTER = ROOT / 'deploy' / 'flink' / 'cluster.py'
FLINK = FlinkRest('localhost:8081')
_PATIENCE = 240


class Cluster:
    """The processes of `make flink-up`."""

    state = ROOT / 'build' / 'flink' / 'cluster.json'

    def pid(self, name):
        return json.loads(self.state.read_text())[name]

    def kill(self, name):
        """Kills a process and what it has started, as a container's end would."""
        for pid in [*children(self.pid(name)), self.pid(name)]:
            os.kill(pid, signal.SIGKILL)

    def wait_until_whole(self):
        """Waits for what is started again, and for a cluster that does nothing."""
        wait_until(lambda: len(FLINK.get('taskmanagers')['taskmanagers']) == 2)
        wait_until(lambda: FLINK.get('overview')['slots-available'] == 2)
        wait_until(lambda: socket.create_connection(('localhost', 8099), 1).close() is None)


class Command:
    """A command in a process of its own, on Flink."""

    def __init__(self, log, *arguments):
        self._log = log
        self._before = {job['jid'] for job in FLINK.jobs()}
        with log.open('w') as file:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'pipeline.cli', *map(str, arguments), '--runner=flink'],
                cwd=log.parent,
                env={**os.environ, 'PYTHONPATH': str(ROOT)},
                stdout=file,
                stderr=file,
            )

    def said(self):
        return self._log.read_text()

    def job(self):
        """What Flink says of the command's job; None before there is one."""
        return next((job for job in FLINK.jobs() if job['jid'] not in self._before), None)

    def wait_until_done(self, share):
        """Waits until that share of the job's tasks are finished, and others run."""

        def is_done():
            assert self.process.poll() is None, self.said()
            job = self.job()
            tasks = job and job['tasks']
            return job and tasks['running'] and tasks['finished'] >= share * tasks['total']

        wait_until(is_done)

    def end(self):
        """Waits for its end; returns its exit code."""
        return self.process.wait(_PATIENCE)


def children(pid):
    """The processes that a process has started and that run."""
    task = pathlib.Path(f'/proc/{pid}/task/{pid}/children')
    return [int(child) for child in task.read_text().split()]


def wait_until(condition):
    deadline = time.monotonic() + _PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def records_read(job):
    """TaskManager -> records that the tasks of a job have read there."""
    read = collections.Counter()
    for vertex in FLINK.get(f'jobs/{job["jid"]}')['vertices']:
        for task in FLINK.get(f'jobs/{job["jid"]}/vertices/{vertex["id"]}')['subtasks']:
            read[task['taskmanager-id'].partition('.')[0]] += task['metrics']['read-records']
    return read


def without_manifest(folder):
    """What `prepare` publishes, but for the paths of dumps and the versions."""
    files = files_below(folder)
    manifest = json.loads(files.pop('manifest.json'))
    return files | {'shards': manifest['shards']}


@pytest.fixture(scope='module')
def cluster():
    """A cluster of two TaskManagers; its jars are fetched once."""
    up = subprocess.run([sys.executable, CLUSTER, 'up'], capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stderr
    yield Cluster()
    assert subprocess.run([sys.executable, CLUSTER, 'down'], check=False).returncode == 0
    assert not Cluster.state.exists()


@pytest.fixture(scope='module')
def dumps(sample_papers, tmp_path_factory):
    """The thousand papers as a folder of three dumps, so that more than one worker has something to read."""
    folder = tmp_path_factory.mktemp('dumps')
    for part in range(3):
        write_json_lines(folder / f'{part}.jsonl', sample_papers[part::3])
    return folder


@pytest.fixture(scope='module')
def scored_dir(dumps, model_dir, tmp_path_factory):
    """What `score` makes of the dumps here."""
    folder = tmp_path_factory.mktemp('scored') / 'out'
    run_command('score', '--input', dumps / '*', '--model_dir', model_dir, '--output_dir', folder)
    return folder


@pytest.fixture
def prepare(cluster, dumps, tmp_path):
    """Starts to prepare the dumps on Flink, into `out`."""
    flags = ('--input', dumps / '*', '--output_dir', 'out', '--vocabulary_size', 20000)
    return lambda: Command(tmp_path / 'log', 'prepare', *flags)


@pytest.fixture
def score(cluster, dumps, model_dir, tmp_path):
    """Starts to score the dumps on Flink, into `out`."""
    flags = ('--input', dumps / '*', '--model_dir', model_dir, '--output_dir', 'out')
    return lambda: Command(tmp_path / 'log', 'score', *flags)


def test_prepare_gives_the_bytes_that_it_gives_here_and_both_task_managers_work(prepare, prepared_dir, tmp_path):
    command = prepare()
    assert command.end() == 0, command.said()
    assert without_manifest(tmp_path / 'out') == without_manifest(prepared_dir)
    read = records_read(command.job())
    assert set(read) == {'taskmanager-1', 'taskmanager-2'}
    assert min(read.values()) > sum(read.values()) / 10


def test_score_gives_the_bytes_that_it_gives_here_and_both_task_managers_work(score, scored_dir, tmp_path):
    command = score()
    assert command.end() == 0, command.said()
    assert files_below(tmp_path / 'out') == files_below(scored_dir)
    assert set(records_read(command.job())) == {'taskmanager-1', 'taskmanager-2'}


def test_evaluate_gives_the_metrics_that_it_gives_here(cluster, dumps, model_dir, tmp_path):
    flags = ('evaluate', '--input', dumps / '*', '--model_dir', model_dir, '--output')
    run_command(*flags, tmp_path / 'here')
    run_command(*flags, tmp_path / 'flink', '--runner=flink')
    assert json.loads((tmp_path / 'flink').read_text()) == json.loads((tmp_path / 'here').read_text())


def test_prepare_gives_the_same_bytes_when_a_task_manager_is_killed(cluster, prepare, prepared_dir, tmp_path):
    command = prepare()
    command.wait_until_done(0.3)
    cluster.kill('taskmanager-1')
    assert command.end() == 0, command.said()
    assert 'RESTARTING' in restarts_of(command.job())
    assert without_manifest(tmp_path / 'out') == without_manifest(prepared_dir)


def test_score_gives_the_same_bytes_when_a_task_manager_is_killed(cluster, score, scored_dir, tmp_path):
    command = score()
    command.wait_until_done(0.2)
    cluster.kill('taskmanager-2')
    assert command.end() == 0, command.said()
    assert 'RESTARTING' in restarts_of(command.job())
    assert files_below(tmp_path / 'out') == files_below(scored_dir)


def restarts_of(job):
    """The states that a job was in."""
    times = FLINK.get(f'jobs/{job["jid"]}')['timestamps']
    return {state for state, time_ in times.items() if time_}


def test_streaming_publishes_every_paper_once_though_a_task_manager_is_killed(
    cluster, sample_papers, scored_dir, model_dir, tmp_path
):
    watched = tmp_path / 'in'
    watched.mkdir()
    flags = ('--input', watched, '--model_dir', model_dir, '--output_dir', 'out')
    times = ('--publish_seconds', 2, '--poll_seconds', 0.5, '--settle_seconds', 0, '--stop_when_idle', 15)
    command = Command(tmp_path / 'log', 'score', '--streaming', *flags, *times, '--checkpointing_interval=1000')

    def put(part):
        scratch = write_json_lines(tmp_path / 'scratch', sample_papers[100 * part : 100 * (part + 1)])
        scratch.rename(watched / f'{part}.jsonl')

    def published():
        return sorted((tmp_path / 'out').glob('[!.]*/COMPLETED'))

    put(0)
    wait_until(published)
    for part in range(1, 5):
        put(part)
        time.sleep(0.7)
    cluster.kill('taskmanager-1')
    for part in range(5, 10):
        put(part)
        time.sleep(0.7)
    assert command.end() == 0, command.said()
    lines = [line for done in published() for file in done.parent.glob('part-*') for line in file.open()]
    once = [line for file in scored_dir.glob('part-*') for line in file.open()]
    assert sorted(lines) == sorted(once)
    wait_until(lambda: command.job()['state'] == 'CANCELED')
    assert 'RESTARTING' in restarts_of(command.job())


def test_a_dump_that_cannot_be_used_ends_the_job_at_once(cluster, dumps, tmp_path):
    whole = gzip.compress((dumps / '0.jsonl').read_bytes())
    dump = tmp_path / 'cut.jsonl.gz'
    dump.write_bytes(whole[: len(whole) // 2])
    command = Command(tmp_path / 'log', 'prepare', '--input', dump, '--output_dir', 'out')
    assert command.end() == 1
    assert re.fullmatch(
        rf'arxiv-tagger: {dump} is damaged: .+ \(readable up to byte \d+\)\. Fetch it again, or say --damaged_inputs '
        r'dead_letter to use what can be read of it\.',
        command.said().splitlines()[-1],
    )
    assert not (tmp_path / 'out').exists()
    # Failed, it would have been tried five times more.
    assert command.job()['state'] == 'CANCELED'


def test_a_killed_job_server_ends_the_command_with_what_to_do_and_the_job_on_flink(cluster, prepare, tmp_path):
    cluster.wait_until_whole()
    command = prepare()
    command.wait_until_done(0.1)
    cluster.kill('jobserver')
    assert command.end() == 1
    assert command.said().splitlines()[-1] == (
        'arxiv-tagger: the connection to the Beam job server was lost. The job was ended, nothing was published. See '
        'that the job server runs ("make flink-down flink-up" starts all anew), and say the same again.'
    )
    assert not (tmp_path / 'out').exists()
    assert command.job()['state'] == 'CANCELED'


def test_interrupting_the_command_ends_the_job_on_flink(cluster, prepare, tmp_path):
    cluster.wait_until_whole()
    command = prepare()
    command.wait_until_done(0.1)
    command.process.send_signal(signal.SIGINT)
    assert command.end() == 1
    assert command.said().splitlines()[-1] == 'arxiv-tagger: interrupted; nothing was published.'
    assert command.job()['state'] == 'CANCELED'
    assert not (tmp_path / 'out').exists()


def test_workers_that_cannot_be_started_end_the_command_with_what_to_do(cluster, prepare, tmp_path):
    cluster.wait_until_whole()
    keeper = cluster.pid('keeper')
    os.kill(keeper, signal.SIGSTOP)
    try:
        command = prepare()
        command.wait_until_done(0.1)
        cluster.kill('pool')
        assert command.end() == 1
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert command.said().splitlines()[-1] == (
        'arxiv-tagger: Python workers died or could not be started, and Flink gave up. Nothing was published. The logs '
        'of the TaskManagers and of the worker pool (build/flink/logs) say why; "make flink-down flink-up" starts all '
        'anew.'
    )
    assert not (tmp_path / 'out').exists()


def test_a_second_cluster_is_refused(cluster):
    up = subprocess.run([sys.executable, CLUSTER, 'up'], capture_output=True, text=True, check=False)
    assert (up.returncode, up.stderr) == (1, 'flink: A cluster runs already. "make flink-down" ends it.\n')


def test_without_java_17_or_maven_the_cluster_says_what_to_install(cluster, tmp_path):
    environment = {**os.environ, 'PATH': str(tmp_path), 'JAVA_HOME': ''}
    up = subprocess.run(
        [sys.executable, CLUSTER, 'up', '--folder', tmp_path / 'other'],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (up.returncode, up.stderr) == (
        1,
        'flink: No java was found in PATH. The Flink cluster needs Java 17 and Maven (Debian, Ubuntu: apt-get install '
        'openjdk-17-jdk-headless maven).\n',
    )
