"""How all pictures look: colours with a role each, sizes, and how a drawing becomes SVG.

Colours are told apart by people with any kind of colour vision (after Okabe and Ito, 2008, darkened where they stand
on white). Each role has a colour of its own, so that the page can put the colour of its theme in its place.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Role -> colour on white paper. No two are alike: `svg.themed` tells roles by them.
COLOURS = {
    'ink': '#1b2330',
    'muted': '#5b6575',
    'grid': '#dfe3ea',
    'surface': '#fefefe',
    'blue': '#0b68a8',
    'orange': '#c65102',
    'green': '#00795a',
    'purple': '#a4457f',
    'yellow': '#97700b',
    'slate': '#6f7d91',
}
INK, MUTED, GRID, SURFACE = (COLOURS[role] for role in ('ink', 'muted', 'grid', 'surface'))
BLUE, ORANGE, GREEN, PURPLE, YELLOW, SLATE = (
    COLOURS[role] for role in ('blue', 'orange', 'green', 'purple', 'yellow', 'slate')
)
# For several lines in one picture, in this order.
SERIES = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SLATE)

# Inches: beside another picture, and across the page.
NARROW, WIDE = 5.2, 9.6

_SETTINGS: dict[Any, Any] = {
    'axes.axisbelow': True,
    'axes.edgecolor': MUTED,
    'axes.facecolor': 'none',
    'axes.grid': True,
    'axes.labelcolor': MUTED,
    'axes.linewidth': 0.8,
    'axes.spines.left': False,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.unicode_minus': True,
    'figure.facecolor': SURFACE,
    'font.family': ['DejaVu Sans'],
    'font.size': 10,
    'grid.color': GRID,
    'grid.linewidth': 0.8,
    'lines.linewidth': 2,
    'lines.solid_capstyle': 'round',
    'patch.linewidth': 0,
    # Text stays text: small files, letters of the page, words that can be searched. The hash makes ids the same each
    # time.
    'svg.fonttype': 'none',
    'svg.hashsalt': 'arxiv-tagger',
    'text.color': INK,
    # A dollar sign is one.
    'text.parse_math': False,
    'xtick.color': MUTED,
    'xtick.major.size': 3,
    'xtick.minor.size': 0,
    'ytick.color': MUTED,
    'ytick.major.size': 0,
    'ytick.minor.size': 0,
}


def draw(picture: Callable[[Axes], None], *, width: float = NARROW, height: float = 3.2) -> str:
    """Draws a picture into one pair of axes, and returns it as SVG; equal pictures give equal text.

    Args:
        picture: draws into the axes.
        width: in inches.
        height: in inches.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout='constrained')
        picture(figure.add_subplot())
        text = io.BytesIO()
        figure.savefig(text, format='svg', metadata={'Date': None, 'Creator': None})
    return text.getvalue().decode()


def no_grid(axes: Axes, which: str = 'x') -> None:
    """Takes the lines of one direction away, where they help nobody to read a value."""
    axes.grid(False, axis=which)  # type: ignore[arg-type]
