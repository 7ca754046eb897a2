"""A model that serves while a thread looks for the one that should, checks it, loads it, and swaps. Imports no Beam.

No model serves that has not answered the reference papers stored with it as it did when it was exported.
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
from typing import Any, NamedTuple

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


class _Candidate(NamedTuple):
    """An export with its files: other files, another candidate."""

    export: Export
    files: Files


def _candidate(export: Export) -> _Candidate:
    return _Candidate(export, files_of(export))


class Watcher:
    """The model of a process, and the thread that replaces it."""

    def __init__(
        self, model_dir: str, pinned: str | None = None, status_path: str | None = None, poll_seconds: float = 10
    ) -> None:
        """Loads the export that should serve and begins to look for others.

        Where the greatest version cannot be used, and is not pinned, the one before it serves.

        Args:
            model_dir: what `train` published.
            pinned: the version that should serve, whatever the folder says.
            status_path: a JSON file for what `status` says.
            poll_seconds: from one look to the next.

        Raises:
            JobError: if there is none that can be used.
        """
        if not _log.isEnabledFor(logging.WARNING):
            # Libraries are silenced; this is of the user's own model.
            _log.setLevel(logging.WARNING)
        self._model_dir = model_dir
        self._pinned = pinned
        self._status_path = status_path
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
        """Returns the model that serves. Whoever has it may go on using it; it is freed when nobody does."""
        return self._serving

    @property
    def counts(self) -> collections.Counter[str]:
        """How often another version took over (swaps), and how often one was refused."""
        return self._counts.copy()

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
        self._counts['swaps'] += 1

    def _refuse(self, version: str, reason: str) -> None:
        _log.warning('Version %s is refused, version %s goes on serving: %s', version, self._serving.version, reason)
        self._refusals.pop(version, None)
        self._refusals[version] = {'version': version, 'reason': reason, 'at': _now()}
        if len(self._refusals) > _REFUSALS_KEPT:
            del self._refusals[next(iter(self._refusals))]
        self._counts['refused'] += 1

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.warning('Version %s goes on serving; no other can be looked for: %s', self._serving.version, trouble)
        self._trouble = trouble

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


def _watch(reference: weakref.ref[Watcher], stop: threading.Event, poll_seconds: float) -> None:
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
