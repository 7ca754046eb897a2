"""--runner=flink fills in what Flink needs, tells what is missing, and what its failures mean."""

import json

import pytest

from pipeline import worker_command
from pipeline.engines import flink
from pipeline.engines.typed_flags import value_of, without
from schemas.errors import ConfigError, JobError


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path):
    """A Python with the worker's command beside it."""
    (tmp_path / 'arxiv-tagger-worker').touch()
    monkeypatch.setattr(flink.sys, 'executable', str(tmp_path / 'python'))
    return tmp_path


def test_all_that_the_cluster_on_this_machine_needs_is_filled_in(installed):
    assert flink.filled_in([], streaming=False) == [
        '--runner=pipeline.engines.flink_runner.FlinkPortableRunner',
        '--job_endpoint=localhost:8099',
        '--flink_master=localhost:8081',
        '--environment_type=PROCESS',
        f'--environment_config={json.dumps({"command": str(installed / "arxiv-tagger-worker")})}',
        '--environment_cache_millis=30000',
    ]


def test_streaming_jobs_have_checkpoints():
    assert flink.filled_in([], streaming=True)[-3:] == [
        '--streaming',
        '--checkpointing_interval=10000',
        '--finish_bundle_before_checkpointing',
    ]


def test_what_is_typed_wins():
    typed = ['--environment_type=EXTERNAL', '--environment_config', 'localhost:50000', '--job_endpoint=flink:8099']
    filled = flink.filled_in([*typed, '--checkpointing_interval=1', '--flink_master=flink:80'], streaming=True)
    assert value_of(filled, '--environment_type') == 'EXTERNAL'
    assert value_of(filled, '--environment_config') == 'localhost:50000'
    assert value_of(filled, '--job_endpoint') == 'flink:8099'
    assert value_of(filled, '--checkpointing_interval') == '1'
    assert value_of(filled, '--flink_master') == 'flink:80'


def test_the_rest_api_is_looked_for_beside_the_job_server():
    filled = flink.filled_in(['--job_endpoint=flink:8099', '--environment_type=DOCKER'], streaming=False)
    assert value_of(filled, '--flink_master') == 'flink:8081'


def test_how_a_cluster_elsewhere_starts_workers_must_be_said():
    with pytest.raises(ConfigError) as refused:
        flink.filled_in(['--job_endpoint=flink:8099'], streaming=False)
    assert str(refused.value) == (
        'How does the cluster at --job_endpoint flink:8099 start Python workers? Say --environment_type and '
        '--environment_config; docs/running-on-flink.md has both for images and for worker pools.'
    )


def test_a_python_without_the_workers_command_is_refused(installed, monkeypatch):
    (installed / 'arxiv-tagger-worker').unlink()
    monkeypatch.setenv('PATH', '')
    with pytest.raises(ConfigError, match=r'^The command arxiv-tagger-worker was not found beside .*, nor in PATH\. '):
        flink.filled_in([], streaming=False)


def test_a_job_server_that_is_not_there_is_noticed_at_once():
    with pytest.raises(JobError) as refused:
        flink.require_available(['--job_endpoint=localhost:1'])
    assert str(refused.value) == (
        'No Beam job server answers at localhost:1. "make flink-up" starts a cluster on this machine; of another one '
        'say --job_endpoint HOST:PORT.'
    )
    with pytest.raises(ConfigError, match=r'^--job_endpoint localhost is not HOST:PORT\.$'):
        flink.require_available(['--job_endpoint=localhost'])


@pytest.mark.parametrize(
    ('said', 'begin'),
    [
        ('... status = StatusCode.UNAVAILABLE ...', 'the connection to the Beam job server was lost.'),
        (
            'java.lang.IllegalStateException: Process died with exit code 1',
            'Python workers died or could not be started, and Flink gave up.',
        ),
        ('StatusRuntimeException: CANCELLED: call already cancelled.', 'Python workers died'),
        ('NoResourceAvailableException: Could not acquire', 'Flink has no free slots for the job.'),
        ('JobCancellationException: Job was cancelled.', 'the job was cancelled at Flink.'),
    ],
)
def test_known_failures_are_explained(said, begin):
    assert flink.explain(RuntimeError(said)).startswith(begin)


def test_other_failures_are_not():
    assert flink.explain(RuntimeError('ValueError: 7')) is None


def test_a_flag_is_found_however_it_was_typed():
    flags = ['--runner', 'flink', '--a=1', '--flag', '--b', '2', '--a', '3']
    assert [value_of(flags, name) for name in ('--runner', '--a', '--b', '--flag', '--c')] == [
        'flink',
        '3',
        '2',
        None,
        None,
    ]
    assert without(flags, '--a') == ['--runner', 'flink', '--flag', '--b', '2']
    assert without(flags, '--flag') == ['--runner', 'flink', '--a=1', '--b', '2', '--a', '3']


def test_a_worker_without_a_pool_that_answers_says_so(monkeypatch, tmp_path, capsys):
    pool = str(tmp_path / 'pool')
    monkeypatch.setenv('ARXIV_TAGGER_WORKER_POOL', pool)
    assert worker_command.main(['--id=1-1', '--provision_endpoint=localhost:1', '--more=x']) == 1
    assert capsys.readouterr().err == (
        f'arxiv-tagger-worker: no worker pool answers at {pool}: No such file or directory\n'
    )
