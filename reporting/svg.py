"""What becomes of a drawing: a picture that stands alone, and the same inside the page, in the colours of its theme.

Both carry a title and a description, for those who do not see them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

_PROLOGUE = re.compile(r'^.*?(?=<svg )', re.DOTALL)
_METADATA = re.compile(r'\s*<metadata>.*?</metadata>', re.DOTALL)
_STYLE_SHEET = re.compile(r'\s*<defs>\s*<style [^>]*>[^<]*</style>\s*</defs>')
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(href="#|url\(#)([^")]+)')
_COLOUR = re.compile(r'#[0-9a-f]{6}\b')
_FONT = re.compile(r' font-family: [^;\"]*;')
_OPENING = re.compile(r'<svg [^>]*>')
_VIEW_BOX = re.compile(r'viewBox="([^"]*)"')
_BLANKS = re.compile(r'\s*\n\s*')
_NO_ROTATION = re.compile(r' transform="rotate\(-0 [^"]*\)"')
_TAG = re.compile(r'<[^>]*>')
_LONG_FRACTION = re.compile(r'(\d\.\d\d)\d+')
_STYLE = re.compile(r'style="([^"]*)"')


def standalone(svg: str, title: str, description: str) -> str:
    """Gives a drawing of matplotlib its title and description; takes out what nothing needs."""
    text = _METADATA.sub('', _PROLOGUE.sub('', svg))
    text = _NO_ROTATION.sub('', _without_unused_ids(text))
    texts = f'<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>'
    text = _OPENING.sub(lambda opening: f'{opening[0]}\n{texts}', text, count=1)
    return text.strip() + '\n'


def inline(svg: str, name: str, roles: Mapping[str, str]) -> str:
    """Makes of a picture that stands alone one that stands in an HTML page beside others.

    Ids get a name before them, since a page has each id once; colours become variables of the page's style sheet.
    Names of namespaces, which HTML does not need, would be the page's only addresses of other hosts.

    Args:
        svg: of `standalone`.
        name: of the picture, unlike any other's.
        roles: role -> colour, as in `style.COLOURS`.
    """
    text = _STYLE_SHEET.sub('', svg).replace('xlink:href=', 'href=')
    text = _ID.sub(lambda found: f' id="{name}-{found[1]}"', text)
    text = _REFERENCE.sub(lambda found: f'{found[1]}{name}-{found[2]}', text)
    text = themed(_FONT.sub('', text), roles)
    box = _VIEW_BOX.search(text)
    opening = (
        f'<svg viewBox="{box[1] if box else ""}" role="img" aria-labelledby="{name}-title" '
        f'aria-describedby="{name}-desc">'
    )
    text = _OPENING.sub(opening, text, count=1)
    text = text.replace('<title>', f'<title id="{name}-title">', 1).replace('<desc>', f'<desc id="{name}-desc">', 1)
    # In tags alone: numbers that people read stay.
    return _TAG.sub(lambda tag: _LONG_FRACTION.sub(r'\1', tag[0]), _BLANKS.sub(' ', text)).strip()


def themed(svg: str, roles: Mapping[str, str]) -> str:
    """Puts a variable in the place of each colour that has a role; others stay.

    >>> themed('style="fill: #0b68a8; stroke: #000000"', {'blue': '#0b68a8'})
    'style="fill: var(--blue); stroke: #000000"'
    """
    by_colour = {colour: f'var(--{role})' for role, colour in roles.items()}

    def in_style(style: re.Match[str]) -> str:
        return _COLOUR.sub(lambda colour: by_colour.get(colour[0], colour[0]), style[0])

    return _STYLE.sub(in_style, svg)


def _without_unused_ids(svg: str) -> str:
    used = {found[2] for found in _REFERENCE.finditer(svg)}
    return _ID.sub(lambda found: found[0] if found[1] in used else '', svg)
