"""Is a worker of a portable runner, such as Flink's: asks it where the rest is, and runs Beam's harness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import pyarrow
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.runners.worker.sdk_worker import SdkWorker
from google.protobuf import json_format, text_format

from pipeline import memory

_PATIENCE_SECONDS = 30


def boot(worker_id: str, provision_endpoint: str) -> None:
    """Works until the runner says that there is no more to do, or is gone.

    Args:
        worker_id: by which the runner knows the worker.
        provision_endpoint: where it tells the rest.

    Raises:
        grpc.RpcError: if there is nobody.
    """
    with grpc.insecure_channel(provision_endpoint) as channel:
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        answer = service.GetProvisionInfo(request, timeout=_PATIENCE_SECONDS, metadata=[('worker_id', worker_id)])
    save_memory()
    log, harness, _ = sdk_worker_main.create_harness(environment_of(worker_id, answer.info))
    try:
        harness.run()
    finally:
        if log:
            log.close()


def environment_of(worker_id: str, info: Any) -> Mapping[str, str]:
    """Returns what Beam's own boot program puts into the environment of a harness.

    Args:
        worker_id: by which the runner knows the worker.
        info: a ProvisionInfo.
    """
    endpoints = {'CONTROL': info.control_endpoint, 'LOGGING': info.logging_endpoint, 'STATUS': info.status_endpoint}
    services = {
        f'{name}_API_SERVICE_DESCRIPTOR': text_format.MessageToString(endpoint)
        for name, endpoint in endpoints.items()
        if endpoint.url
    }
    return {
        'WORKER_ID': worker_id,
        'PIPELINE_OPTIONS': json_format.MessageToJson(info.pipeline_options),
        'RUNNER_CAPABILITIES': ' '.join(info.runner_capabilities),
        **services,
    }


def save_memory() -> None:
    """Makes this process give back what it freed after each bundle, and Arrow use no threads and no memory pool."""
    pyarrow.set_cpu_count(1)
    # Its own allocator would keep what was freed.
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    memory.set_up()
    process_bundle = SdkWorker.process_bundle

    def process_bundle_and_give_back(worker: SdkWorker, *arguments: Any) -> Any:
        try:
            return process_bundle(worker, *arguments)
        finally:
            memory.give_back()

    setattr(SdkWorker, 'process_bundle', process_bundle_and_give_back)  # noqa: B010 - mypy knows another type of it
