"""Imports, in the fork server, all that a worker of any job needs. Importing this module does the work."""

from __future__ import annotations

import atexit
import importlib
import os
import threading
import warnings

from pipeline import quiet

_MODULES = (
    'tensorflow',
    'tensorflow_transform.beam',
    'apache_beam',
    'pipeline.local_workers',
    'pipeline.prepare',
    'pipeline.score',
    'pipeline.evaluate',
    'pipeline.drift',
    'pipeline.score_streaming',
    'pipeline.worker_boot',
)

# There is a worker a core, so that more threads would only take turns; and a pool of threads that a library starts when
# it is imported would make the process unfit for forking. tf.config.threading would be written into transform graphs.
_ONE_THREAD = (
    'OMP_NUM_THREADS',
    'OPENBLAS_NUM_THREADS',
    'MKL_NUM_THREADS',
    'TF_NUM_INTRAOP_THREADS',
    'TF_NUM_INTEROP_THREADS',
)


def _import_all() -> None:
    os.environ |= dict.fromkeys(_ONE_THREAD, '1')
    # Workers would take each other's memory on a GPU.
    os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
    if 'TF_CPP_MIN_LOG_LEVEL' in os.environ:
        warnings.simplefilter('ignore')
    # What was imported is frozen, too: the collector would otherwise write to pages that forked processes share.
    with quiet.importing_tensorflow():
        for module in _MODULES:
            importlib.import_module(module)


def _end_with(launcher: int, imported: threading.Event) -> None:
    """Ends this process if its launcher ends; multiprocessing sees to that only once all is imported."""
    while not imported.wait(0.1):
        if os.getppid() != launcher:
            os._exit(1)


def _preload() -> None:
    imported = threading.Event()
    watch = threading.Thread(target=_end_with, args=(os.getppid(), imported), daemon=True)
    watch.start()
    try:
        _import_all()
    finally:
        imported.set()
        # A process with a second thread must not fork.
        watch.join()
    # Leaving Python in good order takes TensorFlow a second.
    atexit.register(os._exit, 0)


_preload()
