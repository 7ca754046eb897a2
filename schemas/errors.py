"""What can go wrong in a way that a user can mend, told in one line."""

from __future__ import annotations

import contextlib
import re
import signal

# A worker's exception reaches the launcher as the text of its traceback, whatever the runner.
_JOB_ERROR = re.compile(r'schemas\.errors\.JobError: (?P<message>.+)')
# What Beam adds to an exception.
_STEP = re.compile(r" \[while running '[^\n]*\]")


class ConfigError(ValueError):
    """A flag, or a combination of flags, makes no sense. The command ends with exit code 2."""


class JobError(RuntimeError):
    """The job cannot go on with this input or output. The command ends with exit code 1.

    The message is one line that says what is wrong, where, what was found, and what to do.
    """


def job_error_in(traceback: str) -> str | None:
    """Returns the message of the JobError that a worker's traceback ends with; None if that is of anything else.

    >>> job_error_in("schemas.errors.JobError: The input holds no record. [while running 'Check']")
    'The input holds no record.'
    """
    match = _JOB_ERROR.search(without_step(traceback))
    return match['message'] if match else None


def how_ended(exit_code: int | None) -> str:
    """Says how a process ended, by the exit code as `multiprocessing` and `os.waitstatus_to_exitcode` give it.

    >>> how_ended(1), how_ended(-9)
    ('exit code 1', 'SIGKILL')
    """
    if exit_code is not None and exit_code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-exit_code).name
    return f'exit code {exit_code}'


def without_step(message: str) -> str:
    """Returns an exception's text without the name of the step that Beam adds to it."""
    return _STEP.sub('', message)
