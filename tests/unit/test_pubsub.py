"""Pub/Sub is asked for only where it is there."""

import importlib.util

import pytest

from pipeline import pubsub
from schemas.errors import ConfigError


@pytest.mark.parametrize('missing', [None, ModuleNotFoundError('google')])
def test_without_beams_google_cloud_part_one_line_says_what_to_install(monkeypatch, missing):
    def find_spec(name):
        if missing:
            raise missing

    monkeypatch.setattr(importlib.util, 'find_spec', find_spec)
    with pytest.raises(ConfigError) as error:
        pubsub.require_pubsub()
    assert str(error.value) == (
        "--input_subscription and --output_topic need Beam's Google Cloud part: pip install 'apache-beam[gcp]'"
    )
