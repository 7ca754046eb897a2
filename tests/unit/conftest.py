"""Hypothesis as all unit tests use it: modest, and never failing for a slow machine; and an object store."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile('unit', max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('unit')


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """`remote://bucket`, as it is at the begin of a command: Beam has built no pipeline yet."""
    # They import Beam, which few tests need.
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.value_provider import RuntimeValueProvider

    from tests import remote_files

    monkeypatch.setattr(FileSystems, '_pipeline_options', None)
    monkeypatch.setattr(RuntimeValueProvider, 'runtime_options', None)
    monkeypatch.setenv(remote_files.VARIABLE, str(tmp_path / 'store'))
    return remote_files.Bucket(tmp_path / 'store')
