"""Flags for Google Cloud Dataflow: what `--runner=dataflow` stands for, and what its failures mean.

docs/running-on-dataflow.md has the reasons for the figures. Nothing here asks the network.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping, Sequence

from pipeline.engines.dataflow_failures import explain
from pipeline.engines.typed_flags import value_of, without
from schemas.errors import ConfigError

__all__ = ['check_paths', 'explain', 'filled_in']

# 4 GB for each of the Python processes, of which Dataflow starts one a core. With two threads a process takes 1.9 GB
# while it makes blocks; Dataflow's own twelve would take 8.
_MACHINE_TYPE, _THREADS = 'n2-standard-4', 2
# 3.3 GB are installed, beside Dataflow's own images, and pip needs as much again to do so.
_DISK_GB = 50
# 40 cores read 10^8 papers in some minutes; of a watched folder no more is taken than the cores of one worker tag.
_MOST_WORKERS, _MOST_STREAMING_WORKERS = 10, 2

_BUCKET = re.compile(r'gs://[a-z0-9][-_a-z0-9.]+[a-z0-9]/\S*')
_PROJECT = re.compile(r'[a-z][-a-z0-9:.]+[a-z0-9]')
_REGION = re.compile(r'[a-z]+-[a-z]+[0-9]+')
_JOB_NAME = re.compile(r'[a-z]([-a-z0-9]*[a-z0-9])?')

# Any of them brings the package to the workers.
_PACKAGINGS = (
    '--sdk_container_image',
    '--worker_harness_container_image',
    '--setup_file',
    '--extra_package',
    '--extra_packages',
)
_ALIASES = {'--worker_machine_type': ('--machine_type',)}
# What this machine alone reads.
_READ_HERE = '--data_dir'

_DOCS = 'docs/running-on-dataflow.md'


def filled_in(flags: Sequence[str], *, streaming: bool) -> list[str]:
    """Returns complete Beam flags: those typed, and before them what is not typed.

    Runner v2, Streaming Engine and the upload of the graph need no flag: Beam asks for them itself.

    Args:
        flags: as typed, `--name=value` or `--name value`; --runner may be missing.
        streaming: whether the job has no end.

    Raises:
        ConfigError: if something that Dataflow needs is missing or wrong, or would end with nothing published.
    """
    _check_flags(flags, streaming)
    most_workers = _MOST_STREAMING_WORKERS if streaming else _MOST_WORKERS
    defaults = [
        ('--region', _region(flags)),
        ('--temp_location', value_of(flags, '--staging_location')),
        ('--worker_machine_type', _MACHINE_TYPE),
        ('--number_of_worker_harness_threads', _THREADS),
        ('--disk_size_gb', _DISK_GB),
        ('--autoscaling_algorithm', 'THROUGHPUT_BASED'),
        ('--max_num_workers', max(most_workers, _number(value_of(flags, '--num_workers')))),
    ]
    filled = ['--runner=DataflowRunner']
    filled += [
        f'{flag}={value}' for flag, value in defaults if value and not _typed(flags, flag, *_ALIASES.get(flag, ()))
    ]
    if not _typed(flags, '--save_main_session', '--no_save_main_session'):
        # On Dataflow alone Beam would pickle the module that was started, and with it the whole command line.
        filled.append('--no_save_main_session')
    if not _typed(flags, *_PACKAGINGS):
        filled.append(f'--setup_file={_setup_file()}')
    return [*filled, *without(flags, '--runner')]


def check_paths(paths: Mapping[str, str]) -> None:
    """Checks that Dataflow's workers can see what a job reads and writes.

    Args:
        paths: flag -> path; '' where --output was not typed.

    Raises:
        ConfigError: if one lies on this machine.
    """
    for flag, path in paths.items():
        if flag == _READ_HERE or ('://' in path and not path.startswith('file://')):
            continue
        if not path:
            raise ConfigError(
                f'--runner=dataflow needs {flag}: the workers write the result there. Say {flag} gs://BUCKET/FILE.json'
            )
        raise ConfigError(
            f"{flag} {path} is on this machine, which Dataflow's workers do not see. Say {flag} gs://BUCKET/...; "
            '"gcloud storage cp --recursive" copies files and folders there.'
        )


def _check_flags(flags: Sequence[str], streaming: bool) -> None:
    if not streaming:
        for flag in ('--template_location', '--dry_run'):
            if _typed(flags, flag):
                raise ConfigError(
                    f'{flag} starts no job, and what a batch job makes is published by the command that waits for its '
                    'end: nothing would be. Leave it out.'
                )
    if _typed(flags, '--update'):
        raise ConfigError(
            '--update would take files from the running job that it still needs. Drain that one, then start the same '
            f'command: it goes on where the other ended ({_DOCS}).'
        )
    needed = {
        '--project=PROJECT': _typed(flags, '--project'),
        '--region=europe-west4 (or another)': _region(flags),
        '--temp_location=gs://BUCKET/tmp': _typed(flags, '--temp_location', '--staging_location'),
    }
    if missing := [flag for flag, there in needed.items() if not there]:
        raise ConfigError(f'--runner=dataflow needs --project, --region and --temp_location. Add {" ".join(missing)}')
    _check_form(flags)


def _check_form(flags: Sequence[str]) -> None:
    for flag in ('--temp_location', '--staging_location'):
        place = value_of(flags, flag)
        if place is not None and not _BUCKET.fullmatch(place):
            raise ConfigError(f'{flag} {place} is no folder in a bucket. Say {flag}=gs://BUCKET/FOLDER')
    project = value_of(flags, '--project')
    if project is not None and not _PROJECT.fullmatch(project):
        raise ConfigError(
            f'--project {project} is no project ID (letters, digits and hyphens, as in my-project-123; not the number)'
        )
    region = _region(flags)
    if region and not _REGION.fullmatch(region):
        zone = region.rpartition('-')[0]
        hint = f'that looks like a zone; say --region={zone}' if _REGION.fullmatch(zone) else 'it is like europe-west4'
        raise ConfigError(f'--region {region} is no region: {hint}')
    name = value_of(flags, '--job_name')
    if name is not None and not _JOB_NAME.fullmatch(name):
        raise ConfigError(f'--job_name {name} may have a-z, 0-9 and hyphens only, and begins with a letter')


def _region(flags: Sequence[str]) -> str | None:
    """Returns the region; where it is not typed, Beam takes that of this variable, too."""
    return value_of(flags, '--region') or os.environ.get('CLOUDSDK_COMPUTE_REGION')


def _typed(flags: Sequence[str], *names: str) -> bool:
    return any(word.partition('=')[0] in names for word in flags)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _setup_file() -> str:
    """Returns the setup.py that the running package can be built from: there is one if it runs in a clone."""
    found = pathlib.Path(__file__).resolve().parents[2] / 'setup.py'
    if found.is_file() and "name='arxiv-tagger'" in found.read_text('utf-8'):
        return str(found)
    raise ConfigError(
        'How do the workers get arxiv-tagger? Say --sdk_container_image=IMAGE (deploy/Dockerfile makes one), or, of a '
        'clone of the repository, --setup_file=CLONE/setup.py'
    )
