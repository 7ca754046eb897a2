"""The transform graph's input, as tf.Transform wants it described."""

from __future__ import annotations

from typing import Any

from schemas import features


def raw_paper_schema() -> Any:
    """Returns raw_paper.pbtxt as a tensorflow-metadata Schema."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    return text_format.Parse(features.RAW_PAPER_SCHEMA.read_text('utf-8'), schema_pb2.Schema())


def tensor_adapter_config() -> Any:
    """Returns how record batches of raw papers become tensors."""
    from tfx_bsl.tfxio import tf_example_record

    record = tf_example_record.TFExampleBeamRecord(
        physical_format='inmem', schema=raw_paper_schema(), telemetry_descriptors=['arxiv-tagger']
    )
    return record.TensorAdapterConfig()
