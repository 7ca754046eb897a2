"""Beam's portable runner, with jobs that end on Flink when they are ended here."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from typing import Any

from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.runners.portability.portable_runner import PipelineResult, PortableRunner

_PATIENCE_SECONDS = 30.0
_ENDED = ('CANCELED', 'FINISHED', 'FAILED')


class FlinkPortableRunner(PortableRunner):
    """Submits jobs to a Beam job server, and cancels them at Flink itself: what the job server cancels goes on there.

    `--flink_master` is the address of Flink's REST API.
    """

    def run_portable_pipeline(self, pipeline: Any, options: PipelineOptions) -> Any:
        result: Any = super().run_portable_pipeline(pipeline, options)
        result.__class__ = _FlinkResult
        result.rest = FlinkRest(options.view_as(FlinkRunnerOptions).flink_master)
        return result


class _FlinkResult(PipelineResult):
    rest: FlinkRest

    def cancel(self) -> None:
        # The job server calls the job at Flink as Beam calls it, without the identifier behind.
        name = self._job_id.rpartition('_')[0]
        with contextlib.suppress(OSError):
            self.rest.cancel(name)
        super().cancel()


class FlinkRest:
    """Flink's REST API.

    Args:
        address: HOST:PORT, perhaps with a scheme.
    """

    def __init__(self, address: str) -> None:
        self._url = address if '://' in address else f'http://{address}'

    def get(self, path: str) -> Any:
        """Asks; raises OSError if nobody answers."""
        with urllib.request.urlopen(f'{self._url}/{path}', timeout=_PATIENCE_SECONDS) as answer:
            return json.load(answer)

    def jobs(self) -> list[dict[str, Any]]:
        """Returns what Flink says of each job that it remembers: 'jid', 'name', 'state', 'tasks' and more."""
        return list(self.get('jobs/overview')['jobs'])

    def cancel(self, name: str) -> None:
        """Cancels the jobs of that name, and waits until they have ended; raises OSError if nobody answers."""
        for job in self._running(name):
            request = urllib.request.Request(f'{self._url}/jobs/{job["jid"]}?mode=cancel', method='PATCH')
            urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS).close()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._running(name) and time.monotonic() < deadline:
            time.sleep(0.2)

    def _running(self, name: str) -> list[dict[str, Any]]:
        return [job for job in self.jobs() if job['name'] == name and job['state'] not in _ENDED]
