"""What Dataflow's failures look like, and what to do about each.

The signs are names and texts of Beam's code and of Google's documentation; docs/running-on-dataflow.md has them as a
table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from schemas.errors import ConfigError, JobError


class Failure(NamedTuple):
    """What matches an error's class and text, and the line to say then."""

    sign: str
    line: str


# The first that matches counts.
FAILURES = (
    Failure(
        r'DefaultCredentialsError|RefreshError|Anonymous caller|\bUnauthorized:|Unauthenticated',
        'Google Cloud does not know who you are. Say "gcloud auth application-default login", and the same again.',
    ),
    Failure(
        r'API has not been used|APIs? needs? to be enabled|SERVICE_DISABLED',
        'an API is not enabled in --project. Say "gcloud services enable dataflow.googleapis.com '
        'compute.googleapis.com storage.googleapis.com", wait some minutes, and say the same again.',
    ),
    Failure(
        r'serviceAccountUser|serviceAccounts\.actAs|cannot act as service account',
        'you may not start workers under their service account. Ask for the role roles/iam.serviceAccountUser on it, '
        'or name another by --service_account_email.',
    ),
    Failure(
        r'\bquota\b|in[- ]use IP addresses',
        'a quota of --project is used up. Say a smaller --max_num_workers or another --region, or ask for more.',
    ),
    Failure(
        r'ZONE_RESOURCE_POOL_EXHAUSTED|does not have enough resources available',
        'Google has no such machines left there. Say another --region or --worker_machine_type.',
    ),
    Failure(
        r'ImagePull|pull(ing)? image|Error syncing pod',
        'the workers cannot fetch --sdk_container_image. See that it exists, and that their service account has the '
        'role roles/artifactregistry.reader.',
    ),
    Failure(
        r'\bForbidden\b|PermissionDenied|does not have \S+ access',
        'Google Cloud does not permit it. docs/running-on-dataflow.md lists the roles that you and the workers need.',
    ),
    Failure(
        r'specified bucket does not exist',
        'the bucket of --temp_location or --staging_location does not exist. Make it in --region: "gcloud storage '
        'buckets create gs://BUCKET --location REGION".',
    ),
    Failure(
        r'already active job named',
        'a job of this --job_name is active in --region. Wait for its end, or say another name.',
    ),
    Failure(
        r'job graph is too large|Request Entity Too Large|exceeds the allowable limit',
        'the graph of the job is too large for Dataflow. Put the papers into fewer files.',
    ),
    Failure(
        r'install(ing)? packages|pip install|No matching distribution',
        'the workers could not install the package of --setup_file. They need the internet for that; an image '
        '(--sdk_container_image) needs none: docs/running-on-dataflow.md.',
    ),
    Failure(
        r'out of memory|\bOOM|MemoryError|exit (status|code) 137|lost contact with the service',
        'the workers had too little memory. Say --worker_machine_type=n2-highmem-4, or '
        '--number_of_worker_harness_threads=1.',
    ),
    Failure(
        r'KeyCommitTooLarge|larger than \S+ limit|(element|value|record) (is )?too large',
        'an element is larger than Dataflow shuffles. Please report it, with the settings of the job.',
    ),
    Failure(
        r'subnetwork|network \S+ was not found|default network',
        'the workers have no network. Name one by --subnetwork=regions/REGION/subnetworks/NAME.',
    ),
    Failure(
        r'State: CANCELLED',
        'the job was cancelled on Dataflow. Of a batch job nothing is published; of a streaming job, what was, stays.',
    ),
    Failure(
        r'State: DRAINED',
        'the job was drained on Dataflow: all that it had taken is published.',
    ),
    Failure(
        r'AssertionError: Job did not reach to a terminal state',
        'this machine lost sight of the job. It goes on on Dataflow, but nothing of it will be published. Cancel it '
        'there, and say the same again.',
    ),
)


def explain(error: BaseException) -> str | None:
    """Returns the line that tells a user what to do about an error that Dataflow is known for; None for any other.

    It looks behind an exception for its causes.
    """
    for cause in _causes(error):
        if isinstance(cause, (JobError, ConfigError)):
            continue
        kind, text = type(cause).__name__, str(cause)
        if 'schemas.errors.JobError: ' in text:
            # Raised on a worker; it says itself what is wrong.
            return None
        for failure in FAILURES:
            if re.search(failure.sign, f'{kind}: {text}', re.IGNORECASE):
                return f'{failure.line}{_job_of(cause)}'
        if kind == 'DataflowRuntimeException':
            return f'the job failed on Dataflow: {_last_line(text)}.{_job_of(cause)}'
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _last_line(text: str) -> str:
    # Behind it stand names of files of Dataflow.
    said = re.sub(r" \[while running '[^\n]*\]", '', text.partition('\npassed through:')[0])
    return [line.strip() for line in said.splitlines() if line.strip()][-1][:300].rstrip('.')


def _job_of(error: BaseException) -> str:
    """Returns where the log of the job is that an error is about."""
    job = getattr(getattr(getattr(error, 'result', None), '_job', None), 'id', '')
    return f' The job is {job}; its log is in the Cloud Console, under Dataflow.' if job else ''
