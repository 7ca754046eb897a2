"""Writes the report: reads what was published, draws the pictures, renders the page."""

from __future__ import annotations

from reporting.flags import ReportConfig


def write_report(config: ReportConfig, staging: str) -> None:
    """Writes the page and its pictures into the staging folder."""
    raise NotImplementedError
