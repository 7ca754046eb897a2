"""Renders the page: one HTML file with its style sheet, its script and its pictures inside."""

from __future__ import annotations

import base64
import hashlib
import pathlib
from collections.abc import Sequence

import jinja2
from markupsafe import Markup

from reporting import style, svg
from reporting.content import Block, Picture, Section

_FOLDER = pathlib.Path(__file__).parent


def render(sections: Sequence[Section], pictures: dict[str, str]) -> str:
    """Renders the page.

    Args:
        sections: what it shows.
        pictures: name -> SVG that stands alone.
    """
    # Whatever is not marked as safe here is escaped: titles and records are other people's text.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_FOLDER / 'report.js').read_text('utf-8')
    return environment.get_template('report.html').render(
        sections=sections,
        alone={name for section in sections for name in alone(section.blocks)},
        inlined={name: Markup(svg.inline(text, name, style.COLOURS)) for name, text in pictures.items()},
        style_sheet=Markup((_FOLDER / 'report.css').read_text('utf-8')),
        script=Markup(script),
        script_hash=script_hash(script),
    )


def alone(blocks: Sequence[Block]) -> list[str]:
    """Names the blocks that have no other beside them, so that they can take the whole width.

    Blocks stand in pairs; of an odd number of them before one that is wide the last has no partner.
    """
    names = []
    before: list[str] = []
    for block in [*blocks, None]:
        if block is None or block.wide:
            names += before[-1:] if len(before) % 2 else []
            before = []
        else:
            before.append(block.name)
    return names


def script_hash(script: str) -> str:
    """What a content security policy knows an inline script by.

    >>> script_hash('')
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return 'sha256-' + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def pictures_of(sections: Sequence[Section]) -> dict[str, str]:
    """Name -> SVG that stands alone, of all pictures."""
    return {
        block.name: svg.standalone(block.svg, block.title, block.text)
        for section in sections
        for block in section.blocks
        if isinstance(block, Picture)
    }
