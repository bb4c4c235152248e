"""How the figures look: readable in grey and at column width."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from codetune.base.files import atomic
from codetune.base.text import printable
from codetune.report.flags import FLAG, MEANING, flag, flagged
from codetune.report.stamp import figure_metadata, stamp_figure
from codetune.study.record import Record
from codetune.study.runs import NONE

Look = dict[str, Any]  # keyword arguments of a matplotlib line

# Okabe and Ito's colours, which stay apart for colour-blind readers; in grey, markers, fillings and line styles do.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", ":", "-.")
FILLS: tuple[Look, ...] = (  # of markers
    {},
    {"markerfacecolor": "white"},
    {"fillstyle": "left", "markerfacecoloralt": "white"},
    {"fillstyle": "bottom", "markerfacecoloralt": "white"},
)
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "codetune",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
}
PAGE = 9.0  # height of the text on a page, in inches
LONGEST_LINE = 40  # of a name, in characters
RING: Look = {"marker": "o", "markersize": 8, "fillstyle": "none", "color": "#555555", "linestyle": ""}
POINT: Look = {"markersize": 5.5, "linestyle": ""}


def draw_line(axis: Axes, points: Sequence[tuple[int, float]], look: Look) -> None:
    """A curve with a dozen markers at most: more hide each other."""
    steps, values = zip(*points, strict=True)
    axis.plot(steps, values, markevery=max(1, len(points) // 12), clip_on=False, **look)


def legend_entries(records: Sequence[Record]) -> dict[str, Look]:
    """The look of each name; seeds share theirs. An entry without a look says what the mark behind some names means."""
    return dict(zip(names_of(records), looks_of(records), strict=True)) | flag_entries(records)


def flag_entries(records: Sequence[Record]) -> dict[str, Look]:
    """The entry of a legend that says what the mark behind some names means; none if no name has it."""
    return {f"{FLAG} {MEANING}": {"linestyle": ""}} if flagged(records) else {}


def draw_legend(figure: Figure, entries: Mapping[str, Look]) -> None:
    """The legend, below the panels, in as many columns as the page has room for; a long one makes the figure taller.

    Without entries there is none.
    """
    if not entries:
        return
    handles = [Line2D([], [], label=name, **look) for name, look in entries.items()]
    spacing = {"fontsize": 7, "handlelength": 2.8, "columnspacing": 1.0}
    for columns in (3, 2, 1):
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns, **spacing)
        width = legend.get_window_extent().width
        if width <= figure.bbox.width or columns == 1:
            figure.set_figwidth(max(figure.get_figwidth(), width / figure.dpi))
            more_lines = max(0, math.ceil(len(handles) / columns) * lines_of(entries) - 3)
            figure.set_figheight(figure.get_figheight() + 0.15 * more_lines)
            return
        legend.remove()


def make_room(figure: Figure, axes: Iterable[Axes], inches: float, columns: int = 1) -> None:
    """Widens a figure in which the names beside its panels would leave these less than so many inches.

    Args:
        figure: The figure.
        axes: Panels with names.
        inches: Least width of such a panel.
        columns: How many of them stand side by side.
    """
    names = [label.get_window_extent().width for axis in axes for label in axis.get_yticklabels()]
    figure.set_figwidth(max(figure.get_figwidth(), columns * (max(names, default=0) / figure.dpi + inches)))


def keep_on_page(figure: Figure, axis: Axes) -> None:
    """Lets the label of a panel that is narrower than it end where the panel does, not at the edge of the page."""
    figure.draw_without_rendering()
    label = axis.xaxis.label
    if label.get_window_extent().x1 > figure.bbox.x1:
        axis.set_xlabel(label.get_text(), loc="right")


def names_of(records: Sequence[Record], seeds: bool = False) -> list[str]:
    """The labels of the runs' models, with training data and method where they tell runs apart.

    A name is marked if its training, or that of one of the seeds that share it, has a problem (`report/flags.py`).

    Args:
        records: Of the runs.
        seeds: Whether seeds are told apart, too.
    """
    several = len({record.run.data for record in records} - {NONE}) > 1
    methods = len({record.run.method for record in records}) > 1
    seeds = seeds and len({record.run.seed for record in records}) > 1
    marked = {(record.run.system, seeds and record.run.seed) for record in flagged(records)}
    names = []
    for record in records:
        run = record.run
        parts = [(run.data, several and run.trains), (run.method, methods), (f"seed {run.seed}", seeds)]
        name = ", ".join([record.model.label, *(part for part, shown in parts if shown)])
        names.append(_in_lines(name + flag((run.system, seeds and run.seed) in marked)))
    return names


def _in_lines(name: str) -> str:
    """A name in lines of a length that leaves room for what is drawn; no character is dropped where one ends."""
    name = printable(name)
    return "\n".join(textwrap.wrap(name, LONGEST_LINE, replace_whitespace=False, drop_whitespace=False))


def lines_of(names: Iterable[str]) -> int:
    """Lines of the name that has most of them."""
    return max((name.count("\n") + 1 for name in names), default=1)


def row_height(names: Iterable[str]) -> float:
    """Height in inches of a row that one of these names stands beside."""
    return max(0.28, 0.14 * lines_of(names))


def looks_of(records: Sequence[Record]) -> list[Look]:
    """Colour and marker by family; filling and line style by the place within it, which is that of sizes and methods.

    Runs that differ in nothing but the seed look the same. From the seventh family on, and the seventeenth system of
    one family, looks begin again.
    """
    families: dict[str, list[str]] = {}
    looks = []
    for record, name in zip(records, names_of(records), strict=True):
        members = families.setdefault(record.model.family, [])
        if name not in members:
            members.append(name)
        position, place = list(families).index(record.model.family), members.index(name)
        color = COLORS[position % len(COLORS)]
        look = {"color": color, "marker": MARKERS[position % len(MARKERS)], "markerfacecolor": color}
        fill = FILLS[(place + place // len(LINES)) % len(FILLS)]  # each with each line once
        looks.append(look | {"linestyle": LINES[place % len(LINES)]} | fill)
    return looks


def short_number(value: float) -> str:
    """A number as it stands at the end of a bar."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def save_figure(figure: Figure, outputs: Mapping[str, str]) -> None:
    """Writes the figure in all forms, without dates, so that equal data give equal bytes."""
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    stamp_figure(figure)
    for kind, path in outputs.items():
        with atomic(Path(path)) as temporary:
            figure.savefig(temporary, format=kind, dpi=300, metadata=undated[kind] | figure_metadata(kind))
