"""The streaming job: watched folders, or a Pub/Sub subscription, in; a folder of tagged papers a window out."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from typing import Any

import apache_beam as beam

from pipeline import folders, patience, pubsub
from pipeline.config import InputConfig, ScoreConfig
from pipeline.models import ModelSource
from pipeline.published import Published
from pipeline.read import ReadDumps
from pipeline.readers.format import ReadOptions
from pipeline.score import ScorePapers
from pipeline.streaming_config import StreamingConfig
from pipeline.tagged_files import file_format
from pipeline.tagger import TaggedBatch
from pipeline.watch import Taken, WatchFolders, WatchOptions
from pipeline.windows import DEAD_LETTER, SOURCE, TAGGED, TALLY, Finding, Output, PublishWindows, in_windows
from schemas import features, outputs
from schemas.errors import JobError
from schemas.remote import is_remote

_WAIT_SECONDS = 0.25


def build(
    root: beam.Pipeline, config: ScoreConfig, streaming: StreamingConfig, models: ModelSource, staging: str
) -> None:
    """Wires the job. But for where papers come from, and for the windows, it is that of `score.build`."""
    published: list[beam.PCollection[Any]] = []
    if streaming.input_subscription:
        read = root | 'ReadPubSub' >> pubsub.ReadPapers(streaming, config.batch_size)
    else:
        options = watch_options(config, streaming, staging)
        taken = root | 'WatchFolders' >> WatchFolders(options) | 'Window' >> in_windows(streaming.publish_seconds)
        published.append(taken | 'Account' >> beam.FlatMap(account).with_output_types(Finding))
        read = (
            taken
            | 'Dumps' >> beam.FlatMap(lambda file: [file.dump] if file.dump else [])
            | 'ReadDumps'
            >> ReadDumps(forgiving(config.input), labelled=False, batch_size=config.batch_size, by_source=True)
        )
    scored = read.batches | 'ScorePapers' >> ScorePapers(config, models)
    published += [
        _of_kind(TAGGED, scored.records, 'Tagged'),
        _of_kind(DEAD_LETTER, read.dead_letters, 'Rejected'),
        _of_kind(DEAD_LETTER, scored.dead_letters, 'Refused'),
        _of_kind(TALLY, read.tallies, 'TalliesOfReading'),
        _of_kind(TALLY, scored.tallies, 'TalliesOfScoring'),
        _of_kind(TALLY, scored.tagged | 'Versions' >> beam.Map(version_tally), 'TalliesOfVersions'),
    ]
    files = file_format(config.output_format, explained=bool(config.explain))
    output = Output(folder=config.output_dir, staging=staging, files=files, shards=config.shards)
    _ = published | 'ToPublish' >> beam.Flatten() | 'PublishWindows' >> PublishWindows(output)
    if streaming.output_topic:
        _ = scored.records | 'WritePubSub' >> pubsub.WritePapers(streaming.output_topic)


def run(
    config: ScoreConfig, streaming: StreamingConfig, models: ModelSource, pipeline: beam.Pipeline, staging: str
) -> None:
    """Runs the job until it has been idle for as long as asked, or for ever. Each window that is published is a line.

    Raises:
        JobError: if it failed. What is published stays; the next run goes on behind it.
    """
    # Whatever is wrong with the model is seen here; and in this process it stays loaded from bundle to bundle.
    holder = models.open()
    build(pipeline, config, streaming, models, staging)
    published = Published(config.output_dir)
    published.refresh()
    options = watch_options(config, streaming, staging)
    result = pipeline.run()
    ending = _Ending(result)
    try:
        _watch(config, streaming, options, published, result, ending)
    except BaseException:
        with contextlib.suppress(Exception):
            result.cancel()
        raise
    del holder


def _watch(
    config: ScoreConfig,
    streaming: StreamingConfig,
    options: WatchOptions,
    published: Published,
    result: Any,
    ending: _Ending,
) -> None:
    """Tells of what is published, until the job ends, or is ended for want of work."""
    last_busy = time.monotonic()
    # Where looking is a request that is paid for, it is not done four times a second.
    remote = any(map(is_remote, (config.output_dir, *config.input.patterns)))
    nap = streaming.poll_seconds if remote else _WAIT_SECONDS
    while not ending.is_over(nap):
        with contextlib.suppress(OSError):
            for name in published.refresh():
                patience.say(describe(config.output_dir, name))
                last_busy = time.monotonic()
        if streaming.stop_when_idle is None:
            continue
        if not streaming.input_subscription and _has_more(options, published):
            last_busy = time.monotonic()
        elif time.monotonic() - last_busy >= streaming.stop_when_idle:
            result.cancel()
            return
    ending.check()


def watch_options(config: ScoreConfig, streaming: StreamingConfig, staging: str) -> WatchOptions:
    """Returns what is watched."""
    return WatchOptions(
        patterns=config.input.patterns,
        poll_seconds=streaming.poll_seconds,
        settle_seconds=streaming.settle_seconds,
        output_dir=config.output_dir,
        staging=staging,
        read=ReadOptions.of(config.input, labelled=False),
    )


def forgiving(config: InputConfig) -> InputConfig:
    """Returns the config of a job that goes on whatever a file holds."""
    return dataclasses.replace(config, damaged_inputs='dead_letter', max_rejected_fraction=1.0)


def account(taken: Taken) -> list[tuple[str, Any]]:
    """Returns what is to be published of a file itself: that it is done, and the dead letter that stands for it."""
    found: list[tuple[str, Any]] = [(SOURCE, taken.source)]
    if taken.letter:
        found += [
            (DEAD_LETTER, taken.letter),
            (TALLY, (('read',), 1)),
            (TALLY, (('rejected', taken.letter.reason), 1)),
            (TALLY, (('sources', taken.source.copy), 1)),
        ]
    return found


def version_tally(tagged: TaggedBatch) -> tuple[tuple[str, ...], int]:
    """Counts the papers of a batch by the version of the model that tagged them."""
    return ('model_versions', tagged.version), 0 if tagged.error else len(tagged.papers)


def describe(folder: str, name: str) -> str:
    """Returns the line that tells of a published window."""
    statistics = outputs.read_json(outputs.join(folder, name, features.STATISTICS_FILE))
    rejected = sum(statistics['rejected'].values())
    files = statistics['files']
    return f'{name}: {files:,} file{"s" * (files != 1)}, {statistics["tagged"]:,} papers, {rejected:,} rejected'


def _of_kind(kind: str, found: beam.PCollection[Any], label: str) -> beam.PCollection[tuple[str, Any]]:
    return found | label >> beam.Map(lambda value: (kind, value)).with_output_types(Finding)


def _has_more(options: WatchOptions, published: Published) -> bool:
    """Whether a file is there that can be read and is not done."""
    files, _ = folders.list_files(options.patterns)
    return any(file not in published.done and (is_remote(file.path) or os.access(file.path, os.R_OK)) for file in files)


class _Ending:
    """Notices that a pipeline has ended: runners differ in when they say so, but all let one wait."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self._over = threading.Event()
        self._error: BaseException | None = None
        threading.Thread(target=self._wait, name='wait_for_runner', daemon=True).start()

    def _wait(self) -> None:
        try:
            self._result.wait_until_finish()
        except BaseException as error:
            self._error = error
        self._over.set()

    def is_over(self, seconds: float) -> bool:
        """Waits so long, and returns whether it has."""
        return self._over.wait(seconds)

    def check(self) -> None:
        """Raises JobError if it failed."""
        if self._error is None:
            return
        if isinstance(self._error, JobError):
            raise self._error
        last = [line for line in str(self._error).splitlines() if line.strip()] or [type(self._error).__name__]
        raise JobError(
            f'the job failed: {last[-1].strip().rstrip(".")[:300]}. What was published stays; start it again to go on.'
        ) from self._error
