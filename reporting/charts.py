"""Kinds of charts that several sections draw. Each function returns what draws into a pair of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from reporting import style, words

Draws = Callable[[Axes], None]

_COUNTS = FuncFormatter(lambda value, _: words.short(value))
_SHARES = FuncFormatter(lambda value, _: f'{100 * value:g} %')


def counts_on(axes: Axes, which: str = 'y') -> None:
    """Writes the numbers of an axis short: 150k."""
    (axes.yaxis if which == 'y' else axes.xaxis).set_major_formatter(_COUNTS)


def shares_on(axes: Axes, which: str = 'y') -> None:
    """Writes the numbers of an axis as percentages."""
    (axes.yaxis if which == 'y' else axes.xaxis).set_major_formatter(_SHARES)


def logarithmic(axes: Axes, which: str) -> None:
    """Makes an axis logarithmic, with numbers as people write them."""
    (axes.set_xscale if which == 'x' else axes.set_yscale)('log')
    axis = axes.xaxis if which == 'x' else axes.yaxis
    axis.set_major_formatter(_COUNTS)
    axis.set_minor_formatter(NullFormatter())


def columns(
    places: Sequence[float],
    values: Sequence[float],
    *,
    x: str,
    y: str,
    ticks: Mapping[float, str] | None = None,
    width: float = 0.82,
    marked: Mapping[float, str] | None = None,
    written: Sequence[str] | None = None,
) -> Draws:
    """Columns side by side.

    Args:
        places: of the columns on the x axis.
        values: their heights.
        x: what the x axis shows.
        y: what the y axis shows.
        ticks: place -> what stands below it; else numbers.
        width: of a column.
        marked: place -> word, for lines from top to bottom.
        written: what stands above each column.
    """

    def draw(axes: Axes) -> None:
        axes.bar(places, values, width=width, color=style.BLUE)
        style.no_grid(axes, 'x')
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        counts_on(axes)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        if ticks is None:
            axes.xaxis.set_major_locator(MaxNLocator(nbins='auto', steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        else:
            axes.set_xticks(list(ticks), list(ticks.values()))
        top = max(values, default=1)
        for place, value, text in zip(places, values, written or [''] * len(values), strict=True):
            axes.text(place, value + top * 0.015, text, ha='center', va='bottom', fontsize=9)
        for place, text in (marked or {}).items():
            axes.axvline(place, color=style.ORANGE, linewidth=1.5)
            axes.annotate(
                text, (place, top * 1.09), xytext=(4, 0), textcoords='offset points', va='top', fontsize=9,
                color=style.ORANGE,
            )  # fmt: skip
        axes.set_ylim(0, top * 1.1)

    return draw


def bars(
    names: Sequence[str], values: Sequence[float], *, x: str, written: Sequence[str], colour: str = style.BLUE
) -> Draws:
    """Bars below each other, the first on top, each with its number."""

    def draw(axes: Axes) -> None:
        places = range(len(names))
        axes.barh(places, values, height=0.72, color=colour)
        axes.set_yticks(list(places), names)
        axes.tick_params(axis='y', labelcolor=style.INK)
        axes.invert_yaxis()
        style.no_grid(axes, 'y')
        right = max(values, default=1) or 1
        for place, value, text in zip(places, values, written, strict=True):
            axes.text(value + right * 0.012, place, text, va='center', fontsize=9)
        axes.set_xlim(0, right * 1.18)
        counts_on(axes, 'x')
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        axes.set_xlabel(x)

    return draw


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    from_zero: bool = False,
) -> Draws:
    """Lines with their names at their ends, so that no legend is needed.

    Args:
        series: name -> places and values.
        x: what the x axis shows.
        y: what the y axis shows.
        from_zero: whether the y axis begins at 0.
    """

    def draw(axes: Axes) -> None:
        for colour, (places, values) in zip(style.SERIES, series.values(), strict=False):
            axes.plot(places, values, color=colour, marker='o', markersize=4)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.xaxis.set_major_locator(MaxNLocator(nbins='auto', steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        if len(series) > 1:
            name_ends(
                axes, {name: (places[-1], values[-1]) for name, (places, values) in series.items() if len(values)}
            )

    return draw


def mark(axes: Axes, place: float, word: str, *, right: bool) -> None:
    """Marks a place on the x axis by a line with a word, to its left where the line is at the right."""
    axes.axvline(place, color=style.MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        word, (place, 0.0), xycoords=('data', 'axes fraction'), xytext=(-5 if right else 5, 5),
        textcoords='offset points', ha='right' if right else 'left', va='bottom', color=style.MUTED, fontsize=9,
    )  # fmt: skip


def name_ends(axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """Writes names at the ends of lines, beside the axes, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    least = 0.075
    at = spread([(value - low) / (high - low) for _, value in ends.values()], least)
    for colour, name, height in zip(style.SERIES, ends, at, strict=False):
        axes.annotate(
            name, (1.0, height), xycoords='axes fraction', xytext=(6, 0), textcoords='offset points',
            va='center', color=colour, fontsize=9.5, annotation_clip=False,
        )  # fmt: skip


def spread(heights: Sequence[float], least: float) -> list[float]:
    """Moves heights apart until neighbours are `least` apart, each as little as may be; the order stays.

    >>> [round(height, 2) for height in spread([.5, .5, .9], .1)]
    [0.45, 0.55, 0.9]
    """
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    # Groups of touching names: where the group's middle is, and who is in it.
    groups: list[tuple[float, list[int]]] = []
    for place in order:
        groups.append((heights[place], [place]))
        while len(groups) > 1 and _top(groups[-2], least) > _bottom(groups[-1], least) - 1e-12:
            (_, below), (_, above) = groups[-2:]
            members = below + above
            groups[-2:] = [(sum(heights[member] for member in members) / len(members), members)]
    result = [0.0] * len(heights)
    for group in groups:
        for number, place in enumerate(group[1]):
            result[place] = _bottom(group, least) + least * (number + 0.5)
    return result


def _bottom(group: tuple[float, list[int]], least: float) -> float:
    return group[0] - least * len(group[1]) / 2


def _top(group: tuple[float, list[int]], least: float) -> float:
    return group[0] + least * len(group[1]) / 2


def heat_map(names: Sequence[str], shares: Sequence[Sequence[float | None]], *, x: str, y: str) -> Draws:
    """A square of cells, the stronger the larger the share; None is left out (the diagonal)."""

    def draw(axes: Axes) -> None:
        number = len(names)
        axes.grid(False)
        for row, values in enumerate(shares):
            for column, value in enumerate(values):
                if value:
                    # One colour of several strengths suits a light page as well as a dark one.
                    axes.fill(
                        [column - 0.47, column + 0.47, column + 0.47, column - 0.47],
                        [row - 0.47, row - 0.47, row + 0.47, row + 0.47],
                        color=style.BLUE, alpha=round(min(1.0, 0.06 + 0.94 * value**0.7), 2), linewidth=0,
                    )  # fmt: skip
                    if value >= 0.1:
                        colour = style.SURFACE if value > 0.35 else style.INK
                        axes.text(column, row, f'{100 * value:.0f}', ha='center', va='center', fontsize=7, color=colour)
        axes.set_xlim(-0.5, number - 0.5)
        axes.set_ylim(number - 0.5, -0.5)
        axes.set_xticks(range(number), names, rotation=90, fontsize=8)
        axes.set_yticks(range(number), names, fontsize=8)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position('top')
        axes.tick_params(length=0, labelcolor=style.INK)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(x)
        axes.set_ylabel(y)

    return draw
