"""Runners that stand for an engine elsewhere, for --runner; and a way to get hold of what an engine would be sent."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.portable_runner import PortableRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from tests.conftest import ROOT

# Where CapturingRunner writes, and how ElsewhereRunner starts its worker.
_CAPTURED, _WORKER = 'TESTS_CAPTURED', 'TESTS_WORKER'


class CapturedError(Exception):
    """The job was written down, not run."""


class CapturingRunner(PortableRunner):
    """Writes down the job that an engine would be sent."""

    def run_portable_pipeline(self, pipeline, options):
        pathlib.Path(os.environ[_CAPTURED]).write_bytes(pipeline.SerializeToString())
        raise CapturedError


class ElsewhereRunner(FnApiRunner):
    """Runs a job in a worker process that is started by a command."""

    def __init__(self):
        super().__init__(SubprocessSDKEnvironment(os.environ[_WORKER]))


def capture(folder, commands):
    """Writes down the jobs of some commands, in one process. Returns name -> file with the job as a protocol buffer.

    Args:
        folder: for the files.
        commands: name -> the command line, without --runner.
    """
    files = {name: folder / f'{name}.pb' for name in commands}
    lines = {str(files[name]): list(map(str, line)) for name, line in commands.items()}
    done = subprocess.run(
        [sys.executable, '-m', 'tests.portable_jobs', json.dumps(lines)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert all(file.exists() for file in files.values()), done.stderr
    return files


def with_worker(command):
    """Flags and environment variables for ElsewhereRunner: a worker that a shell command starts."""
    return ['--runner=tests.portable_jobs.ElsewhereRunner'], {_WORKER: command}


if __name__ == '__main__':
    from pipeline import cli

    runner = ['--runner=tests.portable_jobs.CapturingRunner', '--environment_type=LOOPBACK']
    for path, line in json.loads(sys.argv[1]).items():
        os.environ[_CAPTURED] = path
        cli.main([*line, *runner, '--experiments=disable_logging_submission_environment'])
