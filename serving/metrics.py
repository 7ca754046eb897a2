"""What Prometheus is told of the server."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from serving.workers import METRICS_VARIABLE

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PAPERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class WatchedModel(Protocol):
    """What is asked of `pipeline.watched_model.Watcher`."""

    @property
    def counts(self) -> Mapping[str, int]: ...

    def current(self) -> Any: ...


class ServerMetrics:
    """Counts and times of requests and batches."""

    def __init__(self, model: WatchedModel, waiting: Callable[[], int]) -> None:
        """Registers the metrics.

        Args:
            model: is asked which version serves.
            waiting: how many papers wait for the model.
        """
        # When each of the others began: nobody asks, and it is a third of the text.
        disable_created_metrics()
        self._registry = counts = CollectorRegistry()
        if METRICS_VARIABLE in os.environ:
            # Of all processes of the server; what is told of the model is of the one that is asked.
            MultiProcessCollector(self._registry)
            counts = CollectorRegistry()
        else:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
        self._requests = Counter(
            'arxiv_tagger_requests', 'Requests by path and status.', ('path', 'status'), registry=counts
        )
        self._seconds = Histogram(
            'arxiv_tagger_request_seconds',
            'From the last byte of a request to its answer.',
            ('path',),
            buckets=_SECONDS,
            registry=counts,
        )
        self._papers = Counter('arxiv_tagger_papers', 'Papers that the model was asked for.', registry=counts)
        self._batches = Histogram(
            'arxiv_tagger_batch_papers', 'Papers in a call of the model.', buckets=_PAPERS, registry=counts
        )
        self._registry.register(_ModelCollector(model, waiting))
        self._children = functools.cache(
            lambda path, status: (self._requests.labels(path, str(status)), self._seconds.labels(path))
        )

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts a request that was answered; `path` is one of few."""
        requests, histogram = self._children(path, status)
        requests.inc()
        histogram.observe(seconds)

    def refused(self, status: int) -> None:
        """Counts a request that was refused before its path mattered."""
        self._requests.labels('none', str(status)).inc()

    def batch(self, papers: int) -> None:
        """Counts a call of the model."""
        self._papers.inc(papers)
        self._batches.observe(papers)

    def text(self) -> bytes:
        """Returns all in Prometheus' text format."""
        return generate_latest(self._registry)


class _ModelCollector:
    def __init__(self, model: WatchedModel, waiting: Callable[[], int]) -> None:
        self._model, self._waiting = model, waiting

    def collect(self) -> Iterator[Metric]:
        version = GaugeMetricFamily(
            'arxiv_tagger_model_version', 'The version that serves, as a label; always 1.', labels=('version',)
        )
        version.add_metric([self._model.current().version], 1)
        yield version
        for name, help_ in (('swaps', 'Times another version took over.'), ('refused', 'Versions that were refused.')):
            counter = CounterMetricFamily(f'arxiv_tagger_model_{name}', help_)
            counter.add_metric([], self._model.counts[name])
            yield counter
        waiting = GaugeMetricFamily('arxiv_tagger_waiting_papers', 'Papers that wait for the model.')
        waiting.add_metric([], self._waiting())
        yield waiting
