"""Beam's portable runner, with jobs that end on Flink when they are ended here, or cannot go on."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.request
from typing import Any

from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.runners.portability.portable_runner import PipelineResult, PortableRunner

from schemas.errors import JobError, job_error_in

_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 1.0
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

    def wait_until_finish(self, duration: int | None = None) -> Any:
        """Waits; ends a job that cannot go on at its first failure: Flink would try it five times more, for a minute.

        Raises:
            JobError: why it cannot.
            RuntimeError: if it failed in any other way.
        """
        ended = threading.Event()
        reasons: list[str] = []
        threading.Thread(target=self._end_if_it_cannot_go_on, args=(ended, reasons), daemon=True).start()
        try:
            return super().wait_until_finish(duration)
        except RuntimeError:
            if reasons:
                raise JobError(reasons[0]) from None
            raise
        finally:
            ended.set()

    def _end_if_it_cannot_go_on(self, ended: threading.Event, reasons: list[str]) -> None:
        while not ended.wait(_LOOK_SECONDS):
            with contextlib.suppress(OSError):
                found = next(filter(None, map(final_reason, self.rest.failures(self._name()))), None)
                if found:
                    reasons.append(found)
                    self.rest.cancel(self._name())
                    return

    def cancel(self) -> None:
        with contextlib.suppress(OSError):
            self.rest.cancel(self._name())
        super().cancel()

    def _name(self) -> str:
        # The job server calls the job at Flink as Beam calls it, without the identifier behind.
        return str(self._job_id.rpartition('_')[0])


def final_reason(traceback: str) -> str | None:
    """Returns why a job cannot go on; None if it might, when it is tried again.

    A JobError is final, unless it has a cause: what a file system refuses it may grant the next time.

    >>> final_reason('schemas.errors.JobError: The input holds no record.')
    'The input holds no record.'
    >>> final_reason('OSError ... was the direct cause of the following exception ... schemas.errors.JobError: ...')
    """
    return None if 'the direct cause of' in traceback else job_error_in(traceback)


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

    def failures(self, name: str) -> list[str]:
        """Returns the tracebacks of what has failed in the job of that name; raises OSError if nobody answers."""
        jobs = [job['jid'] for job in self.jobs() if job['name'] == name]
        found = [entry for job in jobs for entry in self.get(f'jobs/{job}/exceptions')['exceptionHistory']['entries']]
        return [each['stacktrace'] for entry in found for each in (entry, *entry['concurrentExceptions'])]

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
