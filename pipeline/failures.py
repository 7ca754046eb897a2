"""What a user is told of an error that ended a job, wherever it was raised."""

from __future__ import annotations

import errno
import os
import re
from typing import Any

from schemas.errors import JobError, job_error_in, without_step

INTERRUPTED = 'interrupted; nothing was published.'
_OS_ERROR = re.compile(r"Error: \[Errno \d+\] (?P<what>[^:\n]+)(: '(?P<where>[^'\n]+)')?$")


def explain(error: BaseException, engine: Any = None) -> str:
    """Returns the one line that tells a user what went wrong.

    A JobError that was raised on a worker may be found in the text of its traceback only; of anything else the last
    line says what it is.

    Args:
        error: what ended the job.
        engine: module of the engine that it ran on, which knows more errors.
    """
    text = without_step(str(error))
    if isinstance(error, JobError):
        # Of a streaming job that failed elsewhere the cause says more.
        return (error.__cause__ and engine and engine.explain(error)) or text
    if message := job_error_in(text):
        return message
    if engine and (known := engine.explain(error)):
        return str(known)
    if isinstance(error, OSError) and error.strerror:
        return _explain_os_error(error.strerror, error.filename)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line == 'KeyboardInterrupt' for line in lines):
        # Beam's in-process runner makes an ordinary error of it.
        return INTERRUPTED
    last = lines[-1] if lines else type(error).__name__
    if match := _OS_ERROR.search(last):
        return _explain_os_error(match['what'], match['where'])
    return f'the job failed: {last[:300].rstrip(".")}. Nothing was published; --verbose shows the traceback.'


def _explain_os_error(what: str, where: str | None) -> str:
    full = ' Make room there, and say the same again.' if what == os.strerror(errno.ENOSPC) else ''
    return f'the job failed: {what}{f" ({where})" if where else ""}. Nothing was published.{full}'
