"""Watches folders for new files, and takes each once, whole.

A file is the same file as long as its path, its size and the time of its last change are the same. Programs that put
files there should write them elsewhere, or under another name, and rename them. As a guard for those that do not, a
file is taken only when it has not been changed for a while, and it is copied before it is read: only if it is the same
after that is the copy used. So a file that grows, vanishes or cannot be read is left for a later look.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import PickleCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms import userstate
from apache_beam.transforms.periodicsequence import PeriodicImpulse

from pipeline.folders import File, Settling, admit, folder_of, list_files
from pipeline.inputs import NoDumpError, inspect
from pipeline.patience import describe, trouble, until_it_works, well
from pipeline.published import Identity, Published, Source
from pipeline.readers.format import Dump, ReadOptions
from schemas import outputs
from schemas.paper import DeadLetter
from schemas.remote import is_remote

# What is kept of a file that is no dump.
_RAW_BYTES = 1000
# What is taken at a look: at least so much text, and so much for each second until the next one.
_LEAST_BYTES, _BYTES_A_SECOND = 32 << 20, 8 << 20


class Taken(NamedTuple):
    """A file that was taken: the dump that its copy is, or the dead letter that stands for it."""

    source: Source
    dump: Dump | None
    letter: DeadLetter | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What is watched.

    Attributes:
        patterns: absolute paths or globs.
        poll_seconds: from one look to the next.
        settle_seconds: how long a file must not have been changed.
        output_dir: what is published there is done.
        staging: folder for the copies.
        read: what the user said of the dumps.
    """

    patterns: tuple[str, ...]
    poll_seconds: float
    settle_seconds: float
    output_dir: str
    staging: str
    read: ReadOptions


class Watcher:
    """Looks at the folders again and again, and takes what is new."""

    def __init__(self, options: WatchOptions) -> None:
        self._options = options
        self._settling = Settling(options.settle_seconds)
        self._published = Published(options.output_dir)

    @property
    def done(self) -> set[Identity]:
        """The files of the windows that were published when it looked last."""
        return self._published.done

    def look(self, taken: set[Identity], now: float) -> Iterator[Taken]:
        """Yields the files that are new, have settled, and can be read.

        Counters: watch/files, watch/unlistable, watch/unreadable.

        Args:
            taken: files that were taken before, whether published by now or not.
            now: seconds since 1970.
        """
        files, troubles = list_files(self._options.patterns)
        for pattern in self._options.patterns:
            place = pattern if is_remote(pattern) else folder_of(pattern)
            if place in troubles:
                Metrics.counter('watch', 'unlistable').inc()
                trouble(place, f'Cannot list {place}: {troubles[place]}. The job waits until it is back.')
            else:
                well(place)
        until_it_works(self._options.output_dir, self._published.refresh)
        new = [file for file in files if file not in taken and file not in self._published.done]
        limit = max(_LEAST_BYTES, round(_BYTES_A_SECOND * self._options.poll_seconds))
        for file in admit(self._settling.settled(new, now), limit):
            try:
                copy = self._copy(file)
            except OSError as error:
                Metrics.counter('watch', 'unreadable').inc()
                trouble(file.path, f'Cannot read {file.path}: {describe(error)}. It is left for later.')
                continue
            if copy:
                well(file.path)
                Metrics.counter('watch', 'files').inc()
                yield self._inspected(Source(*file, copy))

    def _copy(self, file: File) -> str:
        """Copies a file; returns the copy's path, or '' if the file was changed meanwhile.

        Raises:
            OSError: if it cannot be read.
        """
        digest = hashlib.sha256(repr(tuple(file)).encode()).hexdigest()[:24]
        copy = outputs.join(self._options.staging, f'file-{digest}')

        def attempt() -> OSError | None:
            try:
                outputs.write_blocks(copy, _blocks(file.path))
            except _UnreadableError as error:
                return error.cause
            return None

        failed = until_it_works(self._options.output_dir, attempt)
        if failed:
            raise failed
        return copy if outputs.info(file.path) == (file.size, file.mtime_ns) else ''

    def _inspected(self, source: Source) -> Taken:
        try:
            return Taken(source, inspect(source.copy, source.size, self._options.read), None)
        except NoDumpError as error:
            message = str(error).replace(source.copy, source.path)
            return Taken(source, None, DeadLetter(source.path, 0, str(error.reason), message, error.head[:_RAW_BYTES]))


class WatchFolders(beam.PTransform[Any, Any]):
    """Gives each new file once, as `Taken`, at the time of the look that found it, in the global window.

    Counters: see `Watcher.look`.
    """

    def __init__(self, options: WatchOptions) -> None:
        super().__init__()
        self._options = options

    def expand(self, root: beam.Pipeline) -> beam.PCollection[Taken]:
        """Looks every so many seconds."""
        return (
            root
            | 'EverySoOften' >> PeriodicImpulse(fire_interval=self._options.poll_seconds)
            | 'OneWatcher' >> beam.Map(lambda _: (0, 0)).with_output_types(tuple[int, int])
            | 'Look' >> beam.ParDo(_Look(self._options)).with_output_types(Taken)
        )


class _Look(beam.DoFn):
    """What was taken is state of the pipeline: a runner that goes back to a checkpoint goes back in this too."""

    _TAKEN = userstate.BagStateSpec('taken', PickleCoder())

    def __init__(self, options: WatchOptions) -> None:
        self._options = options

    def process(
        self,
        tick: tuple[int, int],
        taken: Any = beam.DoFn.StateParam(_TAKEN),  # noqa: B008 - how Beam hands over state
    ) -> Iterator[Taken]:
        watcher = watcher_of(self._options)
        known = set(taken.read())
        for found in watcher.look(known, time.time()):
            taken.add(found.source.identity)
            known.add(found.source.identity)
            yield found
        if known & watcher.done:
            # What is published need not be remembered twice.
            taken.clear()
            for identity in known - watcher.done:
                taken.add(identity)


@functools.lru_cache(maxsize=4)
def watcher_of(options: WatchOptions) -> Watcher:
    """Returns this process' watcher: a runner may make a DoFn anew for each bundle."""
    return Watcher(options)


class _UnreadableError(Exception):
    """What is wrong with the file, and not with the place that it is copied to."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


def _blocks(path: str) -> Iterator[bytes]:
    try:
        yield from outputs.read_blocks(path)
    except OSError as error:
        raise _UnreadableError(error) from error
