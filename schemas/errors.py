"""What can go wrong in a way that a user can mend, told in one line."""

from __future__ import annotations

import re

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


def without_step(message: str) -> str:
    """Returns an exception's text without the name of the step that Beam adds to it."""
    return _STEP.sub('', message)
