"""The flags of `serve`, and the config that they build. Imports no Beam, no TensorFlow, no web framework."""

from __future__ import annotations

import argparse
import dataclasses

from schemas.errors import ConfigError

PURPOSE = 'answer over HTTP which subjects a paper has: a web page, and a REST interface'
EXAMPLES = """
Example:
  arxiv-tagger serve --model_dir model
  arxiv-tagger serve --model_dir model --host 0.0.0.0 --port 80

It prints the address of the page when it is ready. Newer versions in model/export are taken as they appear.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """How `serve` listens.

    Attributes:
        model_dir: what `train` published.
        host: name or address to listen at.
        port: to listen at; 0 for any that is free.
        poll_seconds: from one look for another version of the model to the next.
        queue_papers: papers that may wait for the model; requests beyond that are answered 503.
        read_seconds: a client has so long to send a request.
        workers: processes, each with the model.
        verbose: whether to log each request.
    """

    model_dir: str
    host: str = '127.0.0.1'
    port: int = 8501
    poll_seconds: float = 10.0
    queue_papers: int = 2048
    read_seconds: float = 10.0
    workers: int = 1
    verbose: bool = False

    def __post_init__(self) -> None:
        _require(0 <= self.port <= 65535, f'--port {self.port} is not between 0 and 65535')
        _require(self.poll_seconds > 0, f'--poll_seconds {self.poll_seconds} is not above 0')
        _require(self.queue_papers >= 1, f'--queue_papers {self.queue_papers} is below 1')
        _require(self.read_seconds > 0, f'--read_seconds {self.read_seconds} is not above 0')
        _require(self.workers >= 1, f'--workers {self.workers} is below 1')


def serve_config(arguments: argparse.Namespace) -> ServeConfig:
    """Builds the config that the flags ask for; raises ConfigError."""
    names = [field.name for field in dataclasses.fields(ServeConfig)]
    return ServeConfig(**{name: getattr(arguments, name) for name in names})


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `serve` to its parser."""
    default = ServeConfig(model_dir='')
    group = parser.add_argument_group('serving')
    group.add_argument('--model_dir', required=True, metavar='DIR', help='output folder of train')
    group.add_argument(
        '--host',
        default=default.host,
        metavar='NAME',
        help='name or address to listen at; 0.0.0.0 lets other machines ask, and anybody there may',
    )
    group.add_argument('--port', type=int, default=default.port, metavar='N', help='to listen at; 0 for any free one')
    group.add_argument(
        '--poll_seconds',
        type=float,
        default=default.poll_seconds,
        metavar='N',
        help='from one look for another version of the model to the next',
    )
    group.add_argument(
        '--queue_papers',
        type=int,
        default=default.queue_papers,
        metavar='N',
        help='papers that may wait for the model; requests beyond that are answered 503',
    )
    group.add_argument(
        '--read_seconds',
        type=float,
        default=default.read_seconds,
        metavar='N',
        help='a client has so long to send a request',
    )
    group.add_argument(
        '--workers',
        type=int,
        default=default.workers,
        metavar='N',
        help='processes that answer, each with the model in memory and for a core or two',
    )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
