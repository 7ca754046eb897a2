"""Runs a job whose result is one JSON value."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import apache_beam as beam

from pipeline.runners import run_to_end
from schemas import outputs
from schemas.remote import is_remote


def run_to_json(pipeline: beam.Pipeline, build: Callable[[beam.Pipeline, str], None], output: str | None) -> Any:
    """Builds a job, runs it to its end, and returns what it wrote.

    Args:
        pipeline: without steps.
        build: wires the job, which shall write a JSON file of the path that it is given.
        output: where the user wants the value, if anywhere. This does not write there, but perhaps beside it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        # Runners elsewhere cannot see a local folder; they write where the user asked for the value.
        path = f'{output}.part' if output and is_remote(output) else f'{scratch}/result.json'
        try:
            build(pipeline, path)
            run_to_end(pipeline)
            return outputs.read_json(path)
        finally:
            outputs.remove(path)
