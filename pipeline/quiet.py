"""Lets the libraries begin quickly, and silences what they say at start-up and in passing."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator

# TensorFlow's own variable; that it is set tells the processes started from this one to be quiet too.
_TENSORFLOW_LEVEL = 'TF_CPP_MIN_LOG_LEVEL'


def set_up(verbose: bool) -> None:
    """Silences the libraries, or lets them speak; to be called before they are imported."""
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
        return
    os.environ.setdefault(_TENSORFLOW_LEVEL, '3')
    os.environ.setdefault('GRPC_VERBOSITY', 'NONE')
    warnings.simplefilter('ignore')
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)


@contextlib.contextmanager
def importing_tensorflow() -> Iterator[None]:
    """A context for importing TensorFlow and what needs it: silently, and in four fifths of the time.

    Imports make half a million objects that stay. The garbage collector would look at them over and over.
    """
    gc.disable()
    try:
        if _TENSORFLOW_LEVEL in os.environ:
            with _silenced():
                import tensorflow  # noqa: F401
            from absl import logging as absl_logging

            absl_logging.set_verbosity(absl_logging.FATAL)
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Drops what C++ code writes to standard error, before anyone can tell it not to."""
    with open(os.devnull, 'wb') as nowhere:
        standard_error = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
