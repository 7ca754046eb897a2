"""A flow in three columns: what came in, what became of it, and how that was divided."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from reporting import style, words
from reporting.charts import Draws

# In units of the whole flow: what a label of two lines takes, and the thinnest band that one still sees.
_LABEL, _THIN = 0.13, 0.004
_NODE_WIDTH = 0.018
_COLUMNS = (0.0, 0.42, 0.84)


@dataclasses.dataclass(frozen=True)
class Node:
    """A part of the flow: how many, what they are, in which colour."""

    number: int
    name: str
    colour: str = style.SLATE


def stacked(numbers: Sequence[int], whole: int, label: float = _LABEL) -> list[tuple[float, float]]:
    """Places parts below each other, so that each has room for its label.

    >>> [(round(top, 3), round(height, 3)) for top, height in stacked([90, 10], 100, label=.2)]
    [(0.0, 0.9), (0.95, 0.1)]

    Args:
        numbers: how large each part is.
        whole: what all of the flow is.
        label: the height of a label; parts that are thinner get so much room.

    Returns:
        Top (from 0 downwards) and height of each part.
    """
    placed = []
    top = 0.0
    for number in numbers:
        height = max(number / whole, _THIN)
        room = max(height, label)
        placed.append((top + (room - height) / 2, height))
        top += room
    return placed


def flow(source: Node, fates: Sequence[Node], parts: Sequence[Node]) -> tuple[Draws, float]:
    """Draws how a source is divided into fates, and the first of these into parts.

    Args:
        source: all there is.
        fates: what became of it, one at least; those of none are left out by the caller.
        parts: what the first fate is divided into.

    Returns:
        What draws it, and how high the picture should be in inches.
    """
    right = stacked([node.number for node in parts], source.number)
    kept, *others = stacked([node.number for node in fates], source.number)
    # No band to the right crosses the label of what was lost.
    lower = max(0.0, sum(right[-1]) - sum(kept)) if right and others else 0.0
    middle = [kept, *((top + lower, height) for top, height in others)]
    depth = max(sum(middle[-1]), sum(right[-1]) if right else 0, 1) + _LABEL / 2

    def draw(axes: Axes) -> None:
        axes.set_axis_off()
        axes.set_xlim(0, 1.06)
        axes.set_ylim(depth, -0.02)
        whole = stacked([source.number], source.number)
        _bands(axes, 0, whole[0], middle, fates)
        _bands(axes, 1, middle[0], right, parts)
        for column, nodes, places in ((0, [source], whole), (1, fates, middle), (2, parts, right)):
            for node, (top, height) in zip(nodes, places, strict=True):
                axes.add_patch(Rectangle((_COLUMNS[column], top), _NODE_WIDTH, height, color=node.colour, linewidth=0))
                axes.text(
                    _COLUMNS[column] + _NODE_WIDTH + 0.012, top + height / 2,
                    f'{words.count(node.number)}  {node.name}', va='center', fontsize=10,
                )  # fmt: skip

    return draw, 1.2 + 1.9 * depth


def _bands(
    axes: Axes, column: int, source: tuple[float, float], targets: Sequence[tuple[float, float]], nodes: Sequence[Node]
) -> None:
    """Draws the bands from a part to those that it is divided into."""
    begin, end = _COLUMNS[column] + _NODE_WIDTH, _COLUMNS[column + 1]
    bend = (begin + end) / 2
    top = source[0]
    for (target, height), node in zip(targets, nodes, strict=True):
        points = [
            (begin, top), (bend, top), (bend, target), (end, target),
            (end, target + height), (bend, target + height), (bend, top + height), (begin, top + height), (begin, top),
        ]  # fmt: skip
        codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
        axes.add_patch(PathPatch(Path(points, codes), facecolor=node.colour, alpha=0.22, linewidth=0))
        top += height
