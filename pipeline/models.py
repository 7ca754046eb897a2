"""Where the workers of a job get their model from: one export, or the newest, swapped while papers flow.

What a transform carries is small and picklable; the model is loaded once a process. No model serves that has not
answered the reference papers stored with it as it did when it was exported.
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import gc
import json
import logging
import threading
import weakref
from typing import Any, NamedTuple, Protocol

from apache_beam.metrics import Metrics
from apache_beam.metrics.execution import MetricsEnvironment
from apache_beam.utils.shared import Shared

from pipeline import memory
from pipeline.exports import (
    Export,
    Files,
    LoadedExport,
    check_export,
    earlier_exports,
    files_of,
    first_line,
    wanted_export,
)
from pipeline.reference_answers import reference_papers, verify
from schemas import outputs
from schemas.errors import JobError

_log = logging.getLogger(__name__)
# A load that is under way when the process ends: TensorFlow's threads do not like to be cut off.
_PATIENCE_SECONDS = 60.0
_REFUSALS_KEPT = 20


class Models(Protocol):
    """What a worker asks for the model, for each batch anew."""

    def current(self) -> LoadedExport:
        """Returns the model to use now. Whoever has it may go on using it; it is freed when nobody does."""


class ModelSource(Protocol):
    """What a transform carries."""

    def open(self) -> Models:
        """Loads the model, once a process; for a DoFn's `setup`.

        Raises:
            JobError: if it cannot be used.
        """


def load_verified(export: Export) -> LoadedExport:
    """Checks an export, loads it, and asks it for the answers that are stored with it.

    Raises:
        JobError: if it is not whole, not ours, or answers otherwise.
        OSError: if it cannot be read now.
    """
    check_export(export)
    loaded = LoadedExport(export)
    if fault := verify(loaded, reference_papers(export)):
        raise JobError(
            f'{export.path} does not give the answers that are stored with it: {fault}. '
            'Copy the export again, or run "arxiv-tagger train" again.'
        )
    return loaded


class PinnedModel:
    """One export, for as long as the job runs."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._shared = Shared()

    def open(self) -> Models:
        """Loads the export, once a process.

        Raises:
            JobError: if it cannot be used.
        """
        return self._shared.acquire(lambda: _Pinned(load_verified(self._export)))


class _Pinned:
    def __init__(self, loaded: LoadedExport) -> None:
        self._loaded = loaded

    def current(self) -> LoadedExport:
        return self._loaded


class NewestModel:
    """The export of a model folder that should serve (`exports.wanted_export`), whichever that is at the time.

    A thread looks for it every few seconds, loads and verifies it while the one before serves, and swaps. What cannot
    be used is refused, in a line of the log, and looked at again when its files change; the one before goes on serving.

    Runners set DoFns up and tear them down as they like, Beam's worker after a minute without papers. So the model
    stays, and is watched, until the process ends, `stop` is called, or the process opens the model of another job.

    Counters: models/swaps, models/refused.
    """

    def __init__(
        self, model_dir: str, status_path: str | None = None, poll_seconds: float = 10, pinned: str | None = None
    ) -> None:
        """Configures where to look.

        Args:
            model_dir: what `train` published.
            status_path: a JSON file that tells what serves and what was refused; the process that wrote it last,
                where there are several. See `_Watcher.status`.
            poll_seconds: from one look to the next.
            pinned: the version that should serve, whatever the folder says.
        """
        self._arguments = model_dir, pinned, status_path, poll_seconds
        self._shared = Shared()

    def open(self) -> Models:
        """Loads the export that should serve and begins to look for others, once a process.

        Where the greatest version cannot be used, and is not pinned, the one before it serves.

        Raises:
            JobError: if there is none that can be used.
        """
        return self._shared.acquire(lambda: _Watcher(*self._arguments))

    def stop(self) -> None:
        """Ends the watching in this process. The model stays for those who have it."""
        watcher = self._shared.acquire(lambda: None)
        if watcher is not None:
            watcher.stop()


class _Candidate(NamedTuple):
    """An export with its files: other files, another candidate."""

    export: Export
    files: Files


def _candidate(export: Export) -> _Candidate:
    return _Candidate(export, files_of(export))


class _Watcher:
    """The model of a process, and the thread that replaces it."""

    def __init__(self, model_dir: str, pinned: str | None, status_path: str | None, poll_seconds: float) -> None:
        if not _log.isEnabledFor(logging.WARNING):
            # Libraries are silenced; this is of the user's own model.
            _log.setLevel(logging.WARNING)
        self._model_dir = model_dir
        self._pinned = pinned
        self._status_path = status_path
        self._lock = threading.Lock()
        self._counts: collections.Counter[str] = collections.Counter()
        self._refused: _Candidate | None = None
        self._reason = ''
        self._refusals: dict[str, dict[str, str]] = {}
        self._trouble = ''
        self._status_trouble = ''
        self._leaving: list[weakref.ref[LoadedExport]] = []
        self._litter = False
        try:
            self._served, self._serving = self._begin()
        except OSError as error:
            raise JobError(f'{model_dir} cannot be read: {first_line(error)}.') from error
        self._since = self._looked = _now()
        self._write_status()
        stop = threading.Event()
        thread = threading.Thread(
            target=_watch, args=(weakref.ref(self), stop, poll_seconds), name='watch_models', daemon=True
        )
        # Also when nobody has this any more, and when the process ends.
        self._end = weakref.finalize(self, _end, thread, stop)
        thread.start()

    def current(self) -> LoadedExport:
        """Returns the model that serves; tells Beam, whose counters threads of ours do not reach, what they counted."""
        if self._counts and MetricsEnvironment.current_container() is not None:
            with self._lock:
                counts, self._counts = self._counts, collections.Counter()
            for name, number in counts.items():
                Metrics.counter('models', name).inc(number)
        return self._serving

    def stop(self) -> None:
        """Ends the thread."""
        self._end()

    def look(self) -> None:
        """Looks once whether another export should serve, and sees to it."""
        try:
            self._consider(self._wanted())
        except Exception as error:
            # Whatever it is (a folder that is gone, a storage that does not answer), papers go on, and so do looks.
            self._say_once(first_line(error))
        else:
            self._trouble = ''
            self._looked = _now()
        self._write_status()
        self._free()

    def status(self) -> dict[str, Any]:
        """Returns what the status file says.

        `serving`: version, path, and since when. `refused`: of each version that was not taken, why, and when it was
        found out. `checked_at`: when the model folder was last looked at with success. `trouble`: what then came up.
        """
        return {
            'serving': {'version': self._serving.version, 'path': self._serving.path, 'since': self._since},
            'refused': list(self._refusals.values()),
            'checked_at': self._looked,
            'trouble': self._trouble,
        }

    def _begin(self) -> tuple[_Candidate, LoadedExport]:
        """Loads the first model. A job that is started again shall not end of a bad version that it had refused."""
        wanted = self._wanted()
        try:
            return wanted, load_verified(wanted.export)
        except JobError as error:
            for export in earlier_exports(self._model_dir, wanted.export):
                with contextlib.suppress(JobError):
                    served, self._serving = _candidate(export), load_verified(export)
                    self._refused = wanted
                    self._refuse(wanted.export.version, str(error))
                    return served, self._serving
            raise

    def _wanted(self) -> _Candidate:
        return _candidate(wanted_export(self._model_dir, self._pinned))

    def _consider(self, wanted: _Candidate) -> None:
        if wanted == self._served:
            return
        if wanted == self._refused:
            # Only now, when its files have not changed for a while: most of what is not whole is being copied.
            if self._reason:
                self._refuse(wanted.export.version, self._reason)
                self._reason = ''
            return
        self._litter = True
        try:
            loaded = load_verified(wanted.export)
        except JobError as error:
            self._refused, self._reason = wanted, str(error)
            return
        self._leaving.append(weakref.ref(self._serving))
        _log.info('Version %s serves now, in place of version %s.', loaded.version, self._serving.version)
        self._serving, self._served, self._since, self._refused = loaded, wanted, _now(), None
        self._refusals.pop(loaded.version, None)
        self._count('swaps')

    def _refuse(self, version: str, reason: str) -> None:
        _log.warning('Version %s is refused, version %s goes on serving: %s', version, self._serving.version, reason)
        self._refusals.pop(version, None)
        self._refusals[version] = {'version': version, 'reason': reason, 'at': _now()}
        if len(self._refusals) > _REFUSALS_KEPT:
            del self._refusals[next(iter(self._refusals))]
        self._count('refused')

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.warning('Version %s goes on serving; no other can be looked for: %s', self._serving.version, trouble)
        self._trouble = trouble

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _write_status(self) -> None:
        if self._status_path is None:
            return
        try:
            outputs.write_bytes(self._status_path, json.dumps(self.status(), indent=2, ensure_ascii=False).encode())
        except Exception as error:
            if not self._status_trouble:
                _log.warning('The status cannot be written to %s: %s', self._status_path, first_line(error))
            self._status_trouble = str(error)
        else:
            self._status_trouble = ''

    def _free(self) -> None:
        """Frees models that were refused or have left. They hold themselves in circles; a last call may still run."""
        if self._litter:
            gc.collect()
            memory.give_back()
            self._leaving = [model for model in self._leaving if model() is not None]
            self._litter = bool(self._leaving)


def _watch(reference: weakref.ref[_Watcher], stop: threading.Event, poll_seconds: float) -> None:
    while not stop.wait(poll_seconds):
        watcher = reference()
        if watcher is None:
            return
        watcher.look()
        # Else it would never be collected while this waits.
        del watcher


def _end(thread: threading.Thread, stop: threading.Event) -> None:
    stop.set()
    if thread is not threading.current_thread():
        thread.join(_PATIENCE_SECONDS)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
