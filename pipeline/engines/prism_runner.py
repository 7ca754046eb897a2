"""Runs a pipeline by Prism, as Beam's PrismRunner does, and leaves nothing behind.

The functions of the pipeline run in this process, in threads. What is added: Prism ends with this process, however that
ends; the worker takes orders from this machine alone, is waited for when the job has ended, and writes no tracebacks.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from typing import Any

import grpc
from apache_beam.options.pipeline_options import DebugOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, beam_runner_api_pb2, endpoints_pb2
from apache_beam.runners.portability.job_server import JobServer
from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner
from apache_beam.runners.worker import sdk_worker, sdk_worker_main
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.utils.thread_pool_executor import UnboundedThreadPoolExecutor

from pipeline.engines import tied

_PATIENCE_SECONDS = 10.0
_LOGGER = logging.getLogger(__name__)

# Beam prints each traceback of a worker, and logs it, too.
vars(sdk_worker)['print'] = lambda *words, **options: None


class LocalPrismRunner(PrismRunner):
    """Beam's PrismRunner, with a worker and a program that end with the job and with this process."""

    def default_job_server(self, options: Any) -> JobServer:
        # Beam's own ends Prism first when it is interrupted, and threads that talk to it say so in tracebacks.
        self._prism = _TiedPrism(options)
        return self._prism

    def run_portable_pipeline(self, pipeline: Any, options: Any) -> Any:
        threading.excepthook = _log_lost_connections
        return super().run_portable_pipeline(pipeline, options)

    @staticmethod
    def start_and_replace_loopback_environments(pipeline: Any, options: Any) -> list[Any]:
        """Starts a pool of workers in this process for each environment that asks for one; returns what stops them."""
        stop = []
        for environment in pipeline.components.environments.values():
            if environment.urn == python_urns.EMBEDDED_PYTHON_LOOPBACK:
                pool = _Pool(options)
                environment.urn = common_urns.environments.EXTERNAL.urn
                environment.payload = beam_runner_api_pb2.ExternalPayload(
                    endpoint=endpoints_pb2.ApiServiceDescriptor(url=pool.address)
                ).SerializeToString()
                stop.append(pool.stop)
        return stop


class _TiedPrism(PrismJobServer):
    def start(self) -> Any:
        service = super().start()
        # Prism has no use for it, and it would stay where Python is not left in good order.
        if self._local_temp_root:
            shutil.rmtree(self._local_temp_root)
            self._local_temp_root = None
        return service

    def subprocess_cmd_and_endpoint(self) -> tuple[list[Any], str]:
        command, endpoint = super().subprocess_cmd_and_endpoint()
        return [sys.executable, '-I', tied.__file__, *command], endpoint


class _Pool(BeamFnExternalWorkerPoolServicer):
    """Starts workers in threads of this process, and waits for what they are at when it is stopped."""

    def __init__(self, options: Any) -> None:
        experiments = options.view_as(DebugOptions).experiments or []
        super().__init__(
            state_cache_size=sdk_worker_main._get_state_cache_size_bytes(options=options),
            data_buffer_time_limit_ms=sdk_worker_main._get_data_buffer_time_limit_ms(experiments),
        )
        self._server = grpc.server(UnboundedThreadPoolExecutor())
        # Beam's own would listen on all addresses of the machine, for whoever wants to have code run here.
        self.address = f'localhost:{self._server.add_insecure_port("localhost:0")}'
        beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(self, self._server)
        self._server.start()
        self._working: list[tuple[sdk_worker.SdkHarness, threading.Thread]] = []

    def StartWorker(self, start_worker_request: Any, unused_context: Any) -> Any:  # noqa: N802 - the service's name
        harness = sdk_worker.SdkHarness(
            start_worker_request.control_endpoint.url,
            worker_id=start_worker_request.worker_id,
            state_cache_size=self._state_cache_size,
            data_buffer_time_limit_ms=self._data_buffer_time_limit_ms,
        )
        # The one that Beam takes is shared, and is not waited for.
        harness._worker_thread_pool = UnboundedThreadPoolExecutor()
        self._worker_threads[start_worker_request.worker_id] = harness
        thread = threading.Thread(target=harness.run, name='run_worker', daemon=True)
        thread.start()
        self._working.append((harness, thread))
        return beam_fn_api_pb2.StartWorkerResponse()

    def stop(self) -> None:
        """Waits until workers have ended: else one would write to folders that are removed when a job has failed.

        Who interrupts a job does not wait: this process ends at once.
        """
        patience = 0.0 if sys.exc_info()[0] is KeyboardInterrupt else _PATIENCE_SECONDS
        for harness, thread in self._working:
            # When a job has failed, Prism answers no more, and what waits for its answer would wait for ever.
            harness._data_channel_factory.close()
            harness._state_handler_factory.close()
            thread.join(patience)
        self._server.stop(0)


def _log_lost_connections(failed: Any) -> None:
    """Leaves it to what waits for the job to tell that Prism is gone: each of Beam's threads would, in a traceback."""
    if failed.exc_type and issubclass(failed.exc_type, grpc.RpcError):
        _LOGGER.info('%s: %s', failed.thread and failed.thread.name, failed.exc_value)
    else:
        threading.__excepthook__(failed)
