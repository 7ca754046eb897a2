"""What can go wrong in a way that a user can mend, told in one line."""

from __future__ import annotations


class ConfigError(ValueError):
    """A flag, or a combination of flags, makes no sense. The command ends with exit code 2."""


class JobError(RuntimeError):
    """The job cannot go on with this input or output. The command ends with exit code 1.

    The message is one line that says what is wrong, where, what was found, and what to do.
    """
