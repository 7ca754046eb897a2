"""Papers from and to Google Pub/Sub, where apache-beam[gcp] is installed.

A message is one paper, as a JSON object with the keys of the Kaggle snapshot. Pub/Sub may deliver a message twice; on
Dataflow Beam drops the second delivery, and acknowledges a message once what came of it is safe. The runner of this
machine acknowledges when it has fetched a message: there, what was not published is lost when the job is killed.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import coders  # noqa: F401 - registers the coder of Paper
from pipeline.read import ReadResult
from pipeline.shards import ShardRecord
from pipeline.streaming_config import StreamingConfig
from pipeline.tally import Counts
from pipeline.windows import in_windows
from schemas.errors import ConfigError
from schemas.paper import DeadLetter, Paper, Reason, RejectedRecord, parse_paper

# A message may be delivered again as late as that; its window takes it still.
_LATENESS = 24 * 3600


def require_pubsub() -> None:
    """Checks that Beam can talk to Pub/Sub.

    Raises:
        ConfigError: if what it needs is not installed.
    """
    try:
        found = importlib.util.find_spec('google.cloud.pubsub')
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigError(
            "--input_subscription and --output_topic need Beam's Google Cloud part: pip install 'apache-beam[gcp]'"
        )


def paper_of(message: bytes, source: str) -> Paper | DeadLetter:
    """Makes a paper of a message, or the dead letter that stands for it.

    Args:
        message: a JSON object.
        source: name of the subscription, which a dead letter names in place of a file.
    """
    try:
        fields = json.loads(message.decode())
    except UnicodeDecodeError:
        return DeadLetter(source, 0, str(Reason.INVALID_ENCODING), 'the message is not UTF-8', message)
    except (ValueError, RecursionError) as error:
        return DeadLetter(source, 0, str(Reason.MALFORMED_JSON), f'the message is no JSON: {error}', message)
    if not isinstance(fields, dict):
        return DeadLetter(source, 0, str(Reason.MALFORMED_JSON), 'the message is no JSON object', message)
    try:
        return parse_paper(fields, labelled=False)[0]
    except RejectedRecord as rejection:
        return DeadLetter(source, 0, rejection.reason, str(rejection), message)


class ReadPapers(beam.PTransform[Any, Any]):
    """Reads a subscription. Output: a `ReadResult`, in windows of `publish_seconds` by the time of publishing."""

    def __init__(self, streaming: StreamingConfig, batch_size: int) -> None:
        super().__init__()
        self._subscription = streaming.input_subscription
        self._seconds = streaming.publish_seconds
        self._batch_size = batch_size

    def expand(self, root: beam.Pipeline) -> ReadResult:
        """Reads, parses and batches."""
        from apache_beam.io import ReadFromPubSub

        messages = root | 'ReadMessages' >> ReadFromPubSub(subscription=self._subscription)
        return messages | 'ToPapers' >> ToPapers(str(self._subscription), self._seconds, self._batch_size)


class ToPapers(beam.PTransform[Any, Any]):
    """Makes papers and dead letters of messages. Output: a `ReadResult`, in windows."""

    def __init__(self, source: str, seconds: int, batch_size: int) -> None:
        super().__init__()
        self._source = source
        self._seconds = seconds
        self._batch_size = batch_size

    def expand(self, messages: beam.PCollection[bytes]) -> ReadResult:
        """Parses and batches."""
        read = (
            messages
            | 'Window' >> in_windows(self._seconds, _LATENESS)
            | 'ReadPapers'
            >> beam.ParDo(_Read(self._source, self._batch_size)).with_outputs('dead_letters', 'tallies', main='batches')
        )
        return ReadResult(read.batches, read.dead_letters, read.tallies)


class WritePapers(beam.PTransform[Any, Any]):
    """Sends each tagged paper as a message: its line of JSON, with the attribute `id`."""

    def __init__(self, topic: str) -> None:
        super().__init__()
        self._topic = topic

    def expand(self, records: beam.PCollection[ShardRecord]) -> Any:
        """Encodes and sends."""
        from apache_beam.io import PubsubMessage, WriteToPubSub

        return (
            records
            | 'ToMessages' >> beam.Map(message_of).with_output_types(PubsubMessage)
            | 'WriteMessages' >> WriteToPubSub(self._topic, with_attributes=True)
        )


def message_of(record: ShardRecord) -> Any:
    """Returns the message that tells of a tagged paper."""
    from apache_beam.io import PubsubMessage

    return PubsubMessage(record[2], {'id': record[1].decode()})


class _Read(beam.DoFn):
    def __init__(self, source: str, batch_size: int) -> None:
        self._source = source
        self._batch_size = batch_size

    def start_bundle(self) -> None:
        self._papers: dict[Any, list[Paper]] = {}

    def process(self, message: bytes, window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        found = paper_of(message, self._source)
        counts = Counts({('read',): 1})
        if isinstance(found, DeadLetter):
            counts['rejected', found.reason] += 1
            yield beam.pvalue.TaggedOutput('dead_letters', found)
        else:
            self._papers.setdefault(window, []).append(found)
        for tally in counts.items():
            yield beam.pvalue.TaggedOutput('tallies', tally)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for window, papers in self._papers.items():
            for batch in _batches(papers, self._batch_size):
                yield WindowedValue(batch, window.max_timestamp(), (window,))


def _batches(papers: Iterable[Paper], size: int) -> Iterator[list[Paper]]:
    papers = iter(papers)
    while batch := list(itertools.islice(papers, size)):
        yield batch
