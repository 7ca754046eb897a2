"""One file per dump format: bytes in, records out. No Beam here.

A format is a module-level `FORMAT` in a file of this folder, listed in `FORMATS` below. Adding one means one file, one
line here, and one test.
"""

from __future__ import annotations

from pipeline.readers import arxiv_atom, arxiv_rss, json_lines, kaggle_csv, oai_pmh
from pipeline.readers.format import Dump, Format

FORMATS: tuple[Format, ...] = (
    json_lines.FORMAT,
    kaggle_csv.FORMAT,
    oai_pmh.FORMAT,
    arxiv_atom.FORMAT,
    arxiv_rss.FORMAT,
)


def format_named(name: str) -> Format:
    """Returns the format of that name; raises KeyError if there is none."""
    return {format_.name: format_ for format_ in FORMATS}[name]


__all__ = ['FORMATS', 'Dump', 'Format', 'format_named']
