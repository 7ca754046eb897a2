"""A job runs in worker processes here unless another runner is named, and never where it would lose records."""

import pytest

from pipeline import runners
from pipeline.runners import beam_flags, make_pipeline
from schemas.errors import ConfigError


@pytest.fixture(autouse=True)
def cores(monkeypatch):
    """A machine of three cores; nothing is started on it."""
    monkeypatch.setattr(runners, '_usable_cores', lambda: 3)
    monkeypatch.setattr(runners.fork_server, 'start', lambda: None)
    return monkeypatch


@pytest.mark.parametrize(
    ('flags', 'workers'),
    [
        ([], 3),
        (['--runner=direct'], 3),
        (['--runner', 'DirectRunner'], 3),
        (['--direct_num_workers', '5'], 5),
        (['--direct_num_workers=0'], 3),
        (['--temp_location=/tmp', '--direct_num_workers=1'], 1),
        (['--direct_running_mode=in_memory'], 0),
        (['--direct_running_mode', 'multi_processing', '--direct_num_workers=2'], 0),
        (['--runner=FlinkRunner', '--parallelism=2'], 0),
    ],
)
def test_there_is_a_worker_a_core_unless_something_else_is_asked_for(flags, workers):
    assert runners.start_early(flags) == workers


def test_there_are_no_more_workers_than_have_something_to_do_unless_a_number_is_asked_for(cores):
    assert runners.start_early([], 2) == 2
    assert runners.start_early([], 1) == 1
    assert runners.start_early(['--direct_num_workers=2'], 1) == 2


@pytest.mark.parametrize(
    ('flags', 'runner'),
    [
        ([], 'LocalWorkersRunner'),
        (['--runner=direct'], 'LocalWorkersRunner'),
        (['--direct_num_workers=1'], 'FnApiRunner'),
        (['--direct_running_mode=multi_processing'], 'FnApiRunner'),
        (['--runner=PortableRunner'], 'PortableRunner'),
    ],
)
def test_several_workers_are_processes_and_one_is_this_process(flags, runner):
    assert type(make_pipeline(flags).runner).__name__ == runner


def test_with_one_core_the_job_runs_in_this_process(cores):
    cores.setattr(runners, '_usable_cores', lambda: 1)
    assert type(make_pipeline([]).runner).__name__ == 'FnApiRunner'


def test_where_no_process_can_be_started_the_job_runs_in_this_one(cores):
    def refuse():
        raise OSError('AF_UNIX path too long')

    cores.setattr(runners.fork_server, 'start', refuse)
    assert type(make_pipeline([]).runner).__name__ == 'FnApiRunner'


def test_a_mode_that_is_known_to_lose_records_is_refused():
    with pytest.raises(ConfigError, match='multi_threading loses records'):
        make_pipeline(['--direct_running_mode=multi_threading', '--direct_num_workers=2'])


def test_the_flags_of_beam_are_known_with_those_that_take_a_value():
    known = beam_flags()
    assert {flag: known[flag] for flag in ('--runner', '--temp_location', '--parallelism', '--streaming')} == {
        '--runner': True,
        '--temp_location': True,
        '--parallelism': True,
        '--streaming': False,
    }
    assert '--vocabulary_size' not in known


@pytest.mark.parametrize('typed', [['--setup_file=setup.py'], ['--setup_file', 'setup.py']])
def test_a_setup_file_is_found_from_wherever_beam_goes(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled = runners.filled_in(['--runner=PortableRunner', *typed, '--streaming'], [], streaming=False)
    assert filled == ['--runner=PortableRunner', '--streaming', f'--setup_file={tmp_path}/setup.py']


@pytest.mark.parametrize(
    ('runner', 'name'),
    [
        ('direct', ''),
        ('pipeline.engines.flink_runner.FlinkPortableRunner', 'flink'),
        ('pipeline.engines.prism_runner.LocalPrismRunner', 'prism'),
        ('DataflowRunner', 'DataflowRunner'),
        ('apache_beam.runners.portability.portable_runner.PortableRunner', 'PortableRunner'),
    ],
)
def test_progress_names_the_runner_of_a_job_elsewhere(runner, name):
    assert runners.elsewhere([f'--runner={runner}']) == name
