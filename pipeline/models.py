"""Where the workers of a job get their model from: one export, or the newest, swapped while papers flow.

What a transform carries is small and picklable; the model is loaded once a process, by `pipeline.watched_model`.
"""

from __future__ import annotations

import collections
import threading
from typing import Any, Protocol

from apache_beam.metrics import Metrics
from apache_beam.metrics.execution import MetricsEnvironment
from apache_beam.utils.shared import Shared

from pipeline import watched_model
from pipeline.exports import Export, LoadedExport


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
        return self._shared.acquire(lambda: _Pinned(watched_model.load_verified(self._export)))


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
                where there are several. See `Watcher.status`.
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


class _Watcher(watched_model.Watcher):
    """Tells Beam, whose counters threads of ours do not reach, what the thread counted."""

    def __init__(self, *arguments: Any) -> None:
        self._told: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def current(self) -> LoadedExport:
        if self.counts != self._told and MetricsEnvironment.current_container() is not None:
            with self._lock:
                counts = self.counts
                news, self._told = counts - self._told, counts
            for name, number in news.items():
                Metrics.counter('models', name).inc(number)
        return super().current()
