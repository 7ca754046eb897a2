"""Hypothesis as all unit tests use it: modest, and never failing for a slow machine."""

from hypothesis import HealthCheck, settings

settings.register_profile('unit', max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('unit')
