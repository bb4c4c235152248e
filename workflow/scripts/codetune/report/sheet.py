"""The sheet that a figure is drawn on: its size in print, its legend's room, labels at the ends of lines, its files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from codetune.base.files import atomic
from codetune.report.looks import GREY, Look
from codetune.report.stamp import figure_metadata, stamp_figure

COLUMN, FULL = 3.5, 7.0  # widths in print, in inches: of a column of text, of both
PAGE = 9.0  # height of the text on a page, in inches
SMALL = 6.5  # of the smallest letters, in points
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "codetune",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
}


def new_sheet(width: float, height: float, entries: Mapping[str, Look]) -> Figure:
    """A figure with a legend below its panels, which has room of its own.

    Args:
        width: In inches: `COLUMN` or `FULL`.
        height: Of all but the legend, in inches; less where the sheet would be higher than a page.
        entries: Of the legend, by their names; one without a look says what a sign in the figure means.

    Returns:
        The figure without panels.
    """
    figure = Figure(figsize=(width, height))
    figure.set_figheight(min(PAGE, height + _draw_legend(figure, entries)))
    return figure


def _draw_legend(figure: Figure, entries: Mapping[str, Look]) -> float:
    """Draws the legend in as many columns as there is room for, and gives its height in inches."""
    if not entries:
        return 0.0
    handles = [Line2D([], [], label=name, **look) for name, look in entries.items()]
    length = 2.4 if any(handle.get_linestyle() not in ("None", "") for handle in handles) else 1.0
    for rows in range(1, len(handles) + 1):
        columns = math.ceil(len(handles) / rows)
        legend = figure.legend(
            handles=handles, loc="outside lower center", ncols=columns, handlelength=length, columnspacing=1.4
        )
        box = legend.get_window_extent()
        if box.width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    return float(box.height / figure.dpi)


def draw_line(axis: Axes, points: Sequence[tuple[float, float]], look: Look, name: str) -> None:
    """Draws a curve with a dozen markers at most, since more hide each other.

    Args:
        axis: The panel.
        points: Of the curve.
        look: Of its system.
        name: Of its system, by which the panel's lines can be told apart.
    """
    every = max(1, len(points) // 12)
    how: Look = {"markevery": every, "clip_on": False, "label": name} | look
    axis.plot(*zip(*points, strict=True), **how)


def label_ends(axis: Axes, ends: Mapping[str, tuple[float, float]], color: Mapping[str, str]) -> None:
    """Writes names to the right of a panel, each at the height of the end of its line, as near as they do not meet.

    Args:
        axis: The panel, whose limits do not change any more.
        ends: The last point of the line of each name.
        color: Of each name.
    """
    figure = axis.get_figure(root=True)
    assert figure is not None
    high = axis.get_position().height * figure.get_figheight() * 72 / SMALL / 1.15  # lines of text of that height
    low, top = axis.get_ylim()
    gap = (top - low) / high
    places: dict[str, tuple[float, int]] = {}  # the middle of each name, and its lines
    for name in sorted(ends, key=lambda name: ends[name][1]):
        lines = name.count("\n") + 1
        below = max((place + above * gap / 2 for place, above in places.values()), default=low)
        places[name] = (max(ends[name][1], below + lines * gap / 2), lines)
    over = max([place + lines * gap / 2 for place, lines in places.values()], default=top) - top
    for name, (place, _) in places.items():
        axis.annotate(
            name,
            ends[name],
            (1.03, (place - max(0.0, over) - low) / (top - low)),
            textcoords="axes fraction",
            va="center",
            fontsize=SMALL,
            color=color[name],
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": GREY},
            annotation_clip=False,
        )


def short_number(value: float) -> str:
    """A number as it stands at the end of a line."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def save_figure(figure: Figure, outputs: Mapping[str, str]) -> None:
    """Writes the figure in all forms, without dates, so that equal data give equal bytes."""
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    stamp_figure(figure)
    for kind, path in outputs.items():
        with atomic(Path(path)) as temporary:
            figure.savefig(temporary, format=kind, dpi=300, metadata=undated[kind] | figure_metadata(kind))
