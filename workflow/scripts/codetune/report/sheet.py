"""The sheet that a figure is drawn on: its size in print, its legend's room, its files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from codetune.base.files import atomic
from codetune.report.looks import Look
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
