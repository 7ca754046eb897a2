"""A job runs in this process unless another runner is named, and never where it would lose records."""

import pytest

from pipeline.runners import beam_flags, make_pipeline
from schemas.errors import ConfigError


@pytest.mark.parametrize('flags', [[], ['--runner=direct'], ['--runner=DirectRunner'], ['--runner', 'directrunner']])
def test_without_a_runner_and_with_the_direct_one_the_job_runs_in_this_process(flags):
    assert type(make_pipeline(flags).runner).__name__ == 'FnApiRunner'


def test_a_runner_that_is_known_to_lose_records_is_refused():
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
