"""Where the workers of a job get their model from: one pinned version, or the newest, swapped while papers flow."""

from __future__ import annotations

from typing import Protocol

from apache_beam.utils.shared import Shared

from pipeline.exports import Export, LoadedExport


class Models(Protocol):
    """What a worker asks for the model, for each batch anew."""

    def current(self) -> LoadedExport:
        """Returns the model to use now. Whoever has it may go on using it as long as it likes."""


class ModelSource(Protocol):
    """What a transform carries: small, and can be pickled."""

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
            JobError: if it is not whole, not ours, or does not give the answers stored with it.
        """
        return self._shared.acquire(lambda: _Pinned(LoadedExport(self._export)))


class NewestModel:
    """The export of a model folder that should serve, whichever that is at the time."""

    def __init__(
        self, model_dir: str, status_path: str | None = None, poll_seconds: float = 10, pinned: str | None = None
    ) -> None:
        self._model_dir = model_dir
        self._status_path = status_path
        self._poll_seconds = poll_seconds
        self._pinned = pinned
        self._shared = Shared()

    def open(self) -> Models:
        """Loads the export that should serve, and begins to watch the folder, once a process.

        Raises:
            JobError: if there is none, or it cannot be used.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Ends the watching in this process."""


class _Pinned:
    def __init__(self, loaded: LoadedExport) -> None:
        self._loaded = loaded

    def current(self) -> LoadedExport:
        return self._loaded
