"""Silences what the libraries say at start-up and in passing."""

from __future__ import annotations

import logging
import os
import sys
import warnings

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


def import_tensorflow() -> None:
    """Imports TensorFlow without what its C++ part writes to standard error before anyone can tell it not to."""
    if _TENSORFLOW_LEVEL not in os.environ:
        return
    with open(os.devnull, 'wb') as nowhere:
        standard_error = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.FATAL)
