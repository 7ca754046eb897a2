"""Runs a pipeline in worker processes on this machine.

The runner is Beam's FnApiRunner. What is added, by Beam's own extension points, is an environment whose workers are
forked from a process that has imported everything (`fork_server.py`); Beam's own workers import TensorFlow each.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import logging
import multiprocessing
import os
import sys
import threading
import types
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.util import get_temp_dir
from typing import Any, cast

import grpc
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import execution, worker_handlers
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.transforms.environments import EmbeddedPythonEnvironment, Environment
from apache_beam.utils.plugin import BeamPlugin

from pipeline import fork_server, large_bundles, memory, progress
from pipeline.worker_boot import save_memory
from schemas.errors import JobError, how_ended

_URN = 'arxiv-tagger:environment:forked_worker:v1'
_PATIENCE_SECONDS = 10.0
_socket_numbers = itertools.count()

# Once a second, a thread of Beam's would flush a stream between two steps of a write to it: that is how records are
# lost and torn with --direct_running_mode multi_threading. Zero turns it off; streams flush by size and at the end.
worker_handlers.DATA_BUFFER_TIME_LIMIT_MS = 0


class LocalWorkersRunner(FnApiRunner):
    """Beam's FnApiRunner, with worker processes that are forked.

    A stage is divided among all workers, and done when all of them are.

    Raises (from `run_pipeline`):
        JobError: if a worker process died.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(default_environment=_ForkedEnvironment.default())
        self._workers = workers

    def run_pipeline(self, pipeline: Any, options: PipelineOptions) -> Any:
        direct = options.view_as(DirectOptions)
        direct.direct_num_workers = self._workers
        # None of Beam's own modes: it has one environment for each, and would take that instead of ours.
        direct.direct_running_mode = 'forked'
        _run.options = options
        return super().run_pipeline(pipeline, options)

    def _execute_bundle(self, *arguments: Any) -> Any:
        try:
            return super()._execute_bundle(*arguments)
        finally:
            memory.give_back()

    def run_stages(self, stage_context: Any, stages: Any) -> Any:
        _run.failure = None
        _run.processes.clear()
        with _private_sockets(), _replaced(execution, 'GroupingBuffer', large_bundles.GroupingBuffer):
            try:
                return super().run_stages(stage_context, stages)
            except Exception as error:
                if _run.failure:
                    raise _run.failure from error
                raise


class _Run:
    """The worker processes of the job that runs, and what went wrong first."""

    def __init__(self) -> None:
        self.processes: list[ForkServerProcess] = []
        self.failure: Exception | None = None
        self.options = PipelineOptions([])
        self._lock = threading.Lock()

    def fail(self, error: Exception) -> None:
        """Ends all workers: Beam waits for each in turn, perhaps for hours, before it looks at another's answer."""
        with self._lock:
            self.failure = self.failure or error
        for process in self.processes:
            process.kill()


_run = _Run()


@Environment.register_urn(_URN, None)
class _ForkedEnvironment(EmbeddedPythonEnvironment):
    """What a pipeline says of where its functions run."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, None]:
        return _URN, None

    @staticmethod
    def from_runner_api_parameter(
        payload: None, capabilities: Any, artifacts: Any, resource_hints: Any, context: Any
    ) -> _ForkedEnvironment:
        return _ForkedEnvironment(capabilities, artifacts, resource_hints)


@worker_handlers.WorkerHandler.register_environment(_URN, None)
class _ForkedWorkerHandler(worker_handlers.GrpcWorkerHandler):
    """Starts a worker, watches it, and stops it."""

    def __init__(self, payload: None, state: Any, provision_info: Any, grpc_server: Any) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._stopping = threading.Event()
        # Beam's threads would write to standard error that a worker is gone, which `_watch` tells better.
        control, data = cast(Any, self.control_conn), cast(Any, self.data_conn)
        take_answers, take_elements = control.set_input, data.set_inputs
        control.set_input = lambda answers: take_answers(map(_notice_failure, _until_lost(answers)))
        data.set_inputs = lambda elements: take_elements(_until_lost(elements))
        data.output_stream = large_bundles.piecewise(data.output_stream, _run.fail)

    def port_from_worker(self, port: Any) -> str:
        return str(port)

    def start_worker(self) -> None:
        counts, counts_of_worker = fork_server.pipe(duplex=False)
        level = logging.getLogger().getEffectiveLevel()
        # File systems of the user's own among them.
        plugins = BeamPlugin.get_all_plugin_paths()
        try:
            self._process = fork_server.start_process(
                _work, self.control_address, self.worker_id, counts_of_worker, level, _run.options, plugins
            )
        except EOFError as error:
            raise JobError('worker processes could not be started; --verbose shows why.') from error
        counts_of_worker.close()
        _run.processes.append(self._process)
        threading.Thread(target=self._watch, args=(counts,), name='watch_worker', daemon=True).start()

    def _watch(self, counts: Connection) -> None:
        # The worker alone has the other end, which closes when it ends, however it ends.
        with counts, contextlib.suppress(EOFError, OSError):
            while True:
                for what, number in counts.recv().items():
                    progress.count(what, number)
        self._process.join()
        if self._stopping.is_set():
            return
        error = JobError(_describe_death(self._process.exitcode))
        _run.fail(error)
        # Beam would wait for ever for an answer of this one; what it asks for after this is answered too.
        self.data_conn.set_inputs(())
        while not self._stopping.wait(0.1):
            self.control_conn.abort(error)

    def close(self) -> None:
        failed = sys.exc_info()[0]
        if failed is None:
            self._stopping.set()
            super().close()
            return
        if issubclass(failed, Exception):
            # A lost connection may be noticed before the death that is its cause.
            self._process.join(0.2)
        self._stopping.set()
        self._process.kill()
        self.control_conn.close()
        # Waits for what is still to be sent, which nobody takes.
        threading.Thread(target=self.data_conn.close, daemon=True).start()
        self.stop_worker()

    def stop_worker(self) -> None:
        self._process.join(_PATIENCE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _until_lost(messages: Iterable[Any]) -> Iterator[Any]:
    """Yields what comes over a connection until it is closed or lost."""
    with contextlib.suppress(grpc.RpcError):
        yield from messages


def _notice_failure(answer: Any) -> Any:
    if answer.error:
        _run.fail(RuntimeError(answer.error))
    return answer


def _describe_death(exit_code: int | None) -> str:
    how = how_ended(exit_code)
    return (
        f'a worker process died ({how}{", perhaps for want of memory" if how == "SIGKILL" else ""}). '
        'Nothing was published. --direct_num_workers 1 needs less memory.'
    )


def _work(
    control_address: str,
    worker_id: str,
    counts: Connection,
    level: int,
    options: PipelineOptions,
    plugins: Sequence[str],
) -> None:
    """Is a worker, until the launcher says that there is no more to do."""
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    logging.basicConfig(level=level, stream=sys.stderr, force=True)
    if level > logging.ERROR:
        # Beam prints each traceback, which reaches the launcher anyway.
        sys.stderr = open(os.devnull, 'w')  # noqa: SIM115
    save_memory()
    FileSystems.set_options(options)
    for plugin in plugins:
        # One that was defined where nobody can import it is not of a file system, or will be missed.
        with contextlib.suppress(ImportError):
            importlib.import_module(plugin.rpartition('.')[0])
    with progress.forwarded(counts.send):
        SdkHarness(
            control_address,
            worker_id=worker_id,
            state_cache_size=worker_handlers.STATE_CACHE_SIZE_MB << 20,
            data_buffer_time_limit_ms=0,
            runner_capabilities=worker_handlers.FNAPI_RUNNER_CAPABILITIES,
        ).run()


def _end_with_launcher() -> None:
    launcher = multiprocessing.parent_process()
    if launcher:
        launcher.join()
        os._exit(1)


@contextlib.contextmanager
def _private_sockets() -> Iterator[None]:
    """Makes the servers that Beam starts listen on sockets in a folder of this user.

    They would listen on all of the machine's addresses, and unpickle what comes.
    """

    class Server:
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._server = grpc.server(*arguments, **options)

        def add_insecure_port(self, address: str) -> str:
            del address
            private = f'unix:{get_temp_dir()}/grpc-{next(_socket_numbers)}'
            self._server.add_insecure_port(private)
            return private

        def __getattr__(self, name: str) -> Any:
            return getattr(self._server, name)

    with _replaced(worker_handlers, 'grpc', types.SimpleNamespace(server=Server)):
        yield


@contextlib.contextmanager
def _replaced(module: types.ModuleType | type, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
