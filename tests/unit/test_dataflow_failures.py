"""What goes wrong on Dataflow is told in a line that says what to do.

The texts are those of Beam's code and of Google's documentation; none was seen on Dataflow.
"""

import pytest

from pipeline.engines.dataflow import explain
from schemas.errors import JobError

FAILED = 'Dataflow pipeline failed. State: FAILED, Error:\n'


def error(kind, text, job=''):
    """An exception of a class of that name, of a job."""
    raised = type(kind, (Exception,), {})(text)
    raised.result = type('Result', (), {'_job': type('Job', (), {'id': job})})
    return raised


def failed(text, job=''):
    return error('DataflowRuntimeException', FAILED + text, job)


@pytest.mark.parametrize(
    ('kind', 'text', 'beginning'),
    [
        ('DefaultCredentialsError', 'Your default credentials were not found.', 'Google Cloud does not know who'),
        ('Unauthorized', '401 GET https://...: Anonymous caller', 'Google Cloud does not know who you are.'),
        ('Forbidden', '403 Dataflow API has not been used in project 1 before', 'an API is not enabled'),
        ('PermissionDenied', "403 Permission 'dataflow.jobs.create' denied", 'Google Cloud does not permit it.'),
        ('PermissionDenied', 'Current user cannot act as service account x@y', 'you may not start workers'),
        ('OSError', '404 GET gs://b: The specified bucket does not exist.', 'the bucket of --temp_location'),
        ('DataflowJobAlreadyExistsError', 'There is already active job named x', 'a job of this --job_name is active'),
        ('InvalidArgument', '400 The job graph is too large.', 'the graph of the job is too large for Dataflow.'),
        (
            'AssertionError',
            'Job did not reach to a terminal state after waiting indefinitely. Console URL: x',
            'this machine lost sight of the job. It goes on on Dataflow',
        ),
        (
            'DataflowRuntimeException',
            'Dataflow pipeline failed. State: CANCELLED, Error:\nNone',
            'the job was cancelled on Dataflow.',
        ),
        (
            'DataflowRuntimeException',
            'Dataflow pipeline failed. State: DRAINED, Error:\nNone',
            'the job was drained on Dataflow: all that it had taken is published.',
        ),
    ],
)
def test_a_failure_that_is_known_says_what_to_do(kind, text, beginning):
    assert explain(error(kind, text)).startswith(beginning)


@pytest.mark.parametrize(
    ('text', 'beginning'),
    [
        ("Quota 'CPUS' exceeded. Limit: 24.0 in region europe-west4.", 'a quota of --project is used up.'),
        ('ZONE_RESOURCE_POOL_EXHAUSTED', 'Google has no such machines left there.'),
        ('Error syncing pod: ImagePullBackOff', 'the workers cannot fetch --sdk_container_image.'),
        ('Failed to install packages: workflow.tar.gz', 'the workers could not install the package'),
        ('The worker lost contact with the service.', 'the workers had too little memory.'),
        ('KeyCommitTooLargeException: commit request', 'an element is larger than Dataflow shuffles.'),
        ('The network default was not found', 'the workers have no network.'),
    ],
)
def test_so_does_a_failure_of_the_workers(text, beginning):
    assert explain(failed(text)).startswith(beginning)


def test_of_any_other_failure_the_last_line_and_the_job_are_told():
    text = (
        'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no such thing. '
        "[while running 'ReadBlocks/ReadRanges-ptransform-12']\n\npassed through:\n==>\n    dist_proc/x.cc:1440"
    )
    assert explain(failed(text, '2026-11-21_08_46_00-1')) == (
        'the job failed on Dataflow: ValueError: no such thing. The job is 2026-11-21_08_46_00-1; its log is in the '
        'Cloud Console, under Dataflow.'
    )


def test_the_cause_of_an_error_is_looked_at_and_what_says_itself_what_to_do_is_left_alone():
    streaming = JobError('the job failed: x')
    streaming.__cause__ = failed('Quota exceeded')
    assert explain(streaming).startswith('a quota of --project is used up.')
    assert explain(failed('Traceback:\nschemas.errors.JobError: quota.jsonl is damaged. Fetch it again.')) is None
    assert explain(ValueError('something else')) is None
    assert explain(JobError('quota')) is None
