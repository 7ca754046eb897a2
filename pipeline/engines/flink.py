"""Flags for Flink: what `--runner=flink` stands for, and what its failures mean."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import socket
import sys
from collections.abc import Sequence

from pipeline.engines.typed_flags import value_of
from schemas.errors import ConfigError, JobError

# Where `make flink-up` has Beam's job server listen.
JOB_ENDPOINT = 'localhost:8099'
_REST_PORT = 8081
_RUNNER = 'pipeline.engines.flink_runner.FlinkPortableRunner'
WORKER = 'arxiv-tagger-worker'
_LOCAL_HOSTS = ('localhost', '127.0.0.1', '::1')
_PATIENCE_SECONDS = 5.0
# From stage to stage a worker stays for so long: what it has imported and unpacked would have to be done again.
_CACHE_MILLIS = 30_000
_CHECKPOINT_MILLIS = 10_000
_NO_SERVER = (
    'No Beam job server answers at {}. "make flink-up" starts a cluster on this machine; of another one say '
    '--job_endpoint HOST:PORT.'
)


def filled_in(flags: Sequence[str], *, streaming: bool) -> list[str]:
    """Returns complete Beam flags: those typed, and before them what is not typed.

    Raises:
        ConfigError: if nobody can tell how workers are started.
    """
    endpoint = value_of(flags, '--job_endpoint') or JOB_ENDPOINT
    # Its REST API is where jobs can be cancelled.
    filled = [f'--runner={_RUNNER}', f'--job_endpoint={endpoint}', f'--flink_master={_host(endpoint)}:{_REST_PORT}']
    if not value_of(flags, '--environment_type'):
        filled += _environment(endpoint)
    filled += [f'--environment_cache_millis={_CACHE_MILLIS}']
    if streaming:
        # Without checkpoints Flink would begin anew after a failure. If one came in the midst of a bundle, what that
        # gave would be kept back until the next bundle. Where the job begins there is none: it would wait for ever.
        filled += ['--streaming', f'--checkpointing_interval={_CHECKPOINT_MILLIS}']
        filled += ['--finish_bundle_before_checkpointing']
    return [*filled, *flags]


def _host(endpoint: str) -> str:
    return endpoint.rpartition(':')[0]


def _environment(endpoint: str) -> list[str]:
    if _host(endpoint) not in _LOCAL_HOSTS:
        raise ConfigError(
            f'How does the cluster at --job_endpoint {endpoint} start Python workers? Say --environment_type and '
            '--environment_config; docs/running-on-flink.md has both for images and for worker pools.'
        )
    command = pathlib.Path(sys.executable).with_name(WORKER)
    found = str(command) if command.exists() else shutil.which(WORKER)
    if not found:
        raise ConfigError(
            f'The command {WORKER} was not found beside {sys.executable}, nor in PATH. Install arxiv-tagger there '
            '("make .venv/installed", or pip).'
        )
    return ['--environment_type=PROCESS', f'--environment_config={json.dumps({"command": found})}']


def require_available(flags: Sequence[str]) -> None:
    """Checks that the job server is there; else Beam would wait for it for a minute.

    Raises:
        JobError: if it is not.
    """
    endpoint = value_of(flags, '--job_endpoint')
    if not endpoint:
        return
    host, _, port = endpoint.rpartition(':')
    try:
        socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()
    except ValueError:
        raise ConfigError(f'--job_endpoint {endpoint} is not HOST:PORT.') from None
    except OSError:
        raise JobError(_NO_SERVER.format(endpoint)) from None


def explain(error: BaseException) -> str | None:
    """Returns the line that tells a user what to do about an error that Flink is known for; None for any other."""
    text = str(error)
    return next((meaning for pattern, meaning in _MEANINGS.items() if re.search(pattern, text)), None)


_MEANINGS = {
    r'StatusCode\.(UNAVAILABLE|CANCELLED)|failed to connect to all addresses': (
        'the connection to the Beam job server was lost. The job was ended, nothing was published. See that the job '
        'server runs ("make flink-down flink-up" starts all anew), and say the same again.'
    ),
    rf'Process died with exit code|call already cancelled|{WORKER}': (
        'Python workers died or could not be started, and Flink gave up. Nothing was published. The logs of the '
        'TaskManagers and of the worker pool (build/flink/logs) say why; "make flink-down flink-up" starts all anew.'
    ),
    'NoResourceAvailableException': (
        'Flink has no free slots for the job. Nothing was published. Wait for other jobs to end, start more '
        'TaskManagers, or say a smaller --parallelism.'
    ),
    'JobCancellationException|was cancelled': (
        'the job was cancelled at Flink. Nothing was published. Say the same again to start it anew.'
    ),
}
