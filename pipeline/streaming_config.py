"""What `score --streaming` is asked to do, and the flags that say so. Imports no Beam, no TensorFlow."""

from __future__ import annotations

import argparse
import dataclasses
import re

from schemas.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamingConfig:
    """How `score --streaming` watches and publishes.

    Attributes:
        publish_seconds: length of a window; what was found in it is published when it is over.
        poll_seconds: from one look at the watched folders to the next.
        settle_seconds: a file is taken when it has not been changed for so long.
        stop_when_idle: the job ends when everything has been published for so many seconds; None goes on for ever.
        input_subscription: Pub/Sub subscription to read in place of folders.
        output_topic: Pub/Sub topic to write tagged papers to, beside the output folder.
    """

    publish_seconds: int = 60
    poll_seconds: float = 5.0
    settle_seconds: float = 10.0
    stop_when_idle: float | None = None
    input_subscription: str | None = None
    output_topic: str | None = None

    def __post_init__(self) -> None:
        _require(self.publish_seconds >= 1, f'--publish_seconds {self.publish_seconds} is below 1')
        _require(self.poll_seconds > 0, f'--poll_seconds {self.poll_seconds} is not above 0')
        _require(self.settle_seconds >= 0, f'--settle_seconds {self.settle_seconds} is below 0')
        _require(
            self.stop_when_idle is None or self.stop_when_idle >= 0,
            f'--stop_when_idle {self.stop_when_idle} is below 0',
        )
        for flag, kind in (('input_subscription', 'subscriptions'), ('output_topic', 'topics')):
            name = getattr(self, flag)
            _require(
                name is None or re.fullmatch(rf'projects/[^/]+/{kind}/[^/]+', name) is not None,
                f'--{flag} {name} is not of the form projects/PROJECT/{kind}/NAME',
            )


def streaming_config(arguments: argparse.Namespace) -> StreamingConfig | None:
    """Builds the config that the streaming flags ask for, or None without --streaming; raises ConfigError."""
    names = [field.name for field in dataclasses.fields(StreamingConfig)]
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if not arguments.streaming:
        if given:
            raise ConfigError(f'--{next(iter(given))} is a flag of streaming jobs: add --streaming, or leave it out')
        return None
    if arguments.overwrite:
        raise ConfigError('--overwrite makes no sense with --streaming: a streaming job adds to its output folder')
    if bool(arguments.input) == bool(arguments.input_subscription):
        raise ConfigError('Say what to read: --input PATTERN, or --input_subscription; one of them')
    return StreamingConfig(**given)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of streaming jobs."""
    default = StreamingConfig()
    group = parser.add_argument_group('streaming')
    group.add_argument(
        '--streaming',
        action='store_true',
        help='go on: watch --input (files, globs or folders) for new files, and publish a folder of results a window',
    )
    # Their defaults are told here, so that one that is given without --streaming can be told from one that is not.
    group.add_argument(
        '--publish_seconds', type=int, metavar='N', help=f'length of a window (default: {default.publish_seconds})'
    )
    group.add_argument(
        '--poll_seconds',
        type=float,
        metavar='N',
        help=f'from one look at the watched folders to the next (default: {default.poll_seconds:g})',
    )
    group.add_argument(
        '--settle_seconds',
        type=float,
        metavar='N',
        help='take a file when it has not been changed for so long; 0 if files appear by rename only '
        f'(default: {default.settle_seconds:g})',
    )
    group.add_argument(
        '--stop_when_idle',
        type=float,
        metavar='SECONDS',
        help='end when all there is has been published for so long (default: go on for ever)',
    )
    group.add_argument(
        '--input_subscription',
        metavar='projects/P/subscriptions/S',
        help='read papers from Pub/Sub in place of --input, a JSON object a message',
    )
    group.add_argument(
        '--output_topic',
        metavar='projects/P/topics/T',
        help='send each tagged paper to Pub/Sub, too',
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
