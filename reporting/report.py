"""Writes the report: reads what was published, draws the pictures, renders the page."""

from __future__ import annotations

from collections.abc import Iterator

from reporting import inputs, page
from reporting.content import Section
from reporting.data_section import data_section
from reporting.flags import PICTURES_DIR, REPORT_FILE, ReportConfig
from reporting.inputs import Inputs
from reporting.model_section import model_section
from reporting.scored_section import scored_section
from reporting.training_section import training_section
from schemas import outputs


def write_report(config: ReportConfig, staging: str) -> None:
    """Writes the page and its pictures into the staging folder.

    Raises:
        JobError: if an input is not what its command publishes.
    """
    sections = list(_sections(inputs.read(config)))
    pictures = page.pictures_of(sections)
    folder = outputs.join(staging, PICTURES_DIR)
    outputs.make_folder(folder)
    for name, picture in pictures.items():
        outputs.write_text(outputs.join(folder, f'{name}.svg'), picture)
    outputs.write_text(outputs.join(staging, REPORT_FILE), page.render(sections, pictures))


def _sections(found: Inputs) -> Iterator[Section]:
    if found.data:
        yield data_section(found.data)
    if found.model:
        yield training_section(found.model)
        yield model_section(found.model)
    if found.scored or found.drift:
        yield scored_section(found.scored, found.drift, found.data)
