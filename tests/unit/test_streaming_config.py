"""The flags of streaming jobs, in the words that the user typed."""

import argparse

import pytest

from pipeline.streaming_config import StreamingConfig, add_flags, streaming_config
from schemas.errors import ConfigError


def parsed(*flags):
    parser = argparse.ArgumentParser()
    parser.add_argument('--input', action='append')
    parser.add_argument('--overwrite', action='store_true')
    add_flags(parser)
    return streaming_config(parser.parse_args(flags))


def failure(*flags):
    with pytest.raises(ConfigError) as error:
        parsed(*flags)
    return str(error.value)


def test_a_batch_job_has_no_streaming_config():
    assert parsed('--input', 'in') is None


def test_defaults_publish_every_minute_and_go_on_for_ever():
    assert parsed('--input', 'in', '--streaming') == StreamingConfig(
        publish_seconds=60, poll_seconds=5, settle_seconds=10, stop_when_idle=None
    )


def test_flags_become_the_config():
    assert parsed('--streaming', '--input', 'in', '--publish_seconds', '2', '--stop_when_idle', '0') == StreamingConfig(
        publish_seconds=2, stop_when_idle=0
    )
    assert parsed('--streaming', '--input_subscription', 'projects/p/subscriptions/s') == StreamingConfig(
        input_subscription='projects/p/subscriptions/s'
    )


def test_a_streaming_flag_in_a_batch_job_is_a_mistake():
    assert failure('--input', 'in', '--publish_seconds', '5') == (
        '--publish_seconds is a flag of streaming jobs: add --streaming, or leave it out'
    )


@pytest.mark.parametrize('flags', [(), ('--input', 'in', '--input_subscription', 'projects/p/subscriptions/s')])
def test_a_streaming_job_reads_folders_or_a_subscription(flags):
    assert failure('--streaming', *flags) == ('Say what to read: --input PATTERN, or --input_subscription; one of them')


def test_a_streaming_job_overwrites_nothing():
    assert failure('--streaming', '--input', 'in', '--overwrite') == (
        '--overwrite makes no sense with --streaming: a streaming job adds to its output folder'
    )


@pytest.mark.parametrize(
    ('flag', 'value', 'message'),
    [
        ('--publish_seconds', '0', '--publish_seconds 0 is below 1'),
        ('--poll_seconds', '0', '--poll_seconds 0.0 is not above 0'),
        ('--settle_seconds', '-1', '--settle_seconds -1.0 is below 0'),
        ('--stop_when_idle', '-1', '--stop_when_idle -1.0 is below 0'),
        ('--output_topic', 'mine', '--output_topic mine is not of the form projects/PROJECT/topics/NAME'),
    ],
)
def test_values_that_make_no_sense_are_refused(flag, value, message):
    assert failure('--streaming', '--input', 'in', f'{flag}={value}') == message
