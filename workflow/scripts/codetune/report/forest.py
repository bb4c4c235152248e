"""The figure of gains: how much of them is format, with intervals, and what is decided."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from codetune.evaluation.comparisons import Comparison
from codetune.report.gains import Kind, telling_gains
from codetune.report.rows import EvaluatedSystem, evaluated_systems, gains_are_by_tuning
from codetune.report.shown import Shown
from codetune.report.style import (
    COLORS,
    MARKERS,
    PAGE,
    Look,
    draw_legend,
    flag_entries,
    keep_on_page,
    lines_of,
    make_room,
    names_of,
    row_height,
)

BAR = 0.14  # height of a bar with the space around it, in inches
BETWEEN = 0.12  # space between two systems, in inches
WIDTH = 3.5  # of a column of panels, in inches
AROUND = 1.0  # above and below the panels, with a legend of three lines, in inches
TITLE = 0.25  # between two panels, in inches
LINE = 0.15  # of a name or of the legend, in inches
LARGE, HOLLOW, SMALL = "large: better or worse", "hollow: undecided", "small: without a verdict"  # in the legend
MARKS: Mapping[str, Look] = {
    LARGE: {"markersize": 5.5},
    HOLLOW: {"markersize": 5.5, "markerfacecolor": "white"},
    SMALL: {"markersize": 2.5},
}


@dataclass(frozen=True)
class Group:
    """The bars of one system.

    Attributes:
        panel: Title of its panel.
        name: Name of the system.
        gains: By their kind.
    """

    panel: str
    name: str
    gains: dict[Kind, Comparison]

    @property
    def height(self) -> float:
        """Height that its bars and its name take, in inches."""
        return max(BAR * len(self.gains) + BETWEEN, row_height([self.name]))


def draw_forest(shown: Shown) -> Figure:
    """Gains with their 95 % intervals, a group of bars per system and a panel per test set.

    The bars of a system are its gain as written over the first baseline, and on code over each. A mark is large
    where the gain has a verdict, and hollow where that is undecided.
    """
    evaluated = evaluated_systems(shown.records, shown.comparisons)
    groups = _groups(shown, evaluated)
    looks = _looks(groups)
    entries = _legend(looks, groups) | flag_entries(shown.records)
    room = PAGE - AROUND - LINE * len(entries)
    columns = _columns(groups, room)
    height = AROUND + min(room, max(map(_height, columns)))
    figure = Figure(figsize=(WIDTH * len(columns), height))
    grid = figure.add_gridspec(1, len(columns))
    drawn = [_draw_column(figure, grid[place], column, looks) for place, column in enumerate(columns)]
    make_room(figure, figure.axes, 1.0, len(columns))
    draw_legend(figure, entries)
    kind = "by tuning" if gains_are_by_tuning(evaluated) else "over the baseline"
    for axes in drawn:
        axes[-1].set_xlabel(f"gain in {shown.label} {kind}")
        keep_on_page(figure, axes[-1])
    return figure


def _groups(shown: Shown, evaluated: Sequence[EvaluatedSystem]) -> list[Group]:
    """The systems that have a gain, test set by test set."""
    names = dict(zip((record.run.system for record in shown.records), names_of(shown.records), strict=True))
    several = len({one.test for one in evaluated}) > 1
    found = [(one, telling_gains(one, shown.metric)) for one in evaluated]
    return [Group(one.test if several else "", names[one.system], gains) for one, gains in found if gains]


def _looks(groups: Sequence[Group]) -> dict[Kind, Look]:
    """Colour and marker of each kind of gain; the marker tells them apart in grey, too."""
    kinds = list(dict.fromkeys(kind for group in groups for kind in group.gains))
    return {
        kind: {"color": COLORS[place % len(COLORS)], "marker": MARKERS[place % len(MARKERS)]} | {"linewidth": 1.3}
        for place, kind in enumerate(kinds)
    }


def _mark(gain: Comparison) -> str:
    """What the mark of a gain says, as the legend has it."""
    if gain.verdict is None:
        return SMALL
    return HOLLOW if gain.verdict == "undecided" else LARGE


def _legend(looks: Mapping[Kind, Look], groups: Sequence[Group]) -> dict[str, Look]:
    """The entries of the legend: each kind of gain, and each size and filling of the marks."""
    used = {_mark(gain) for group in groups for gain in group.gains.values() if gain.gain is not None}
    grey = {"marker": "o", "color": "#555555", "linestyle": ""}
    kinds = {kind.words: look | MARKS[LARGE] for kind, look in looks.items()}
    return kinds | {mark: grey | look for mark, look in MARKS.items() if mark in used}


def _columns(groups: Sequence[Group], room: float) -> list[list[Group]]:
    """The groups in columns of about the same number.

    As many as it takes for every name to have room beside its bars where these are as high as the page.

    Args:
        groups: All groups.
        room: Height of the page that is left for panels, in inches.
    """
    smallest = max((LINE * lines_of([group.name]) / group.height for group in groups), default=1.0)
    count = max(1, math.ceil(smallest * sum(group.height for group in groups) / room))
    size = math.ceil(len(groups) / count)
    return [list(groups[start : start + size]) for start in range(0, len(groups), size or 1)] or [[]]


def _panels(column: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups of a column by the title of their panel."""
    panels: dict[str, list[Group]] = {}
    for group in column:
        panels.setdefault(group.panel, []).append(group)
    return panels or {"": []}


def _height(column: Sequence[Group]) -> float:
    """Height of the panels of a column, in inches."""
    return max(sum(group.height for group in column), 0.3) + TITLE * (len(_panels(column)) - 1)


def _draw_column(figure: Figure, grid: SubplotSpec, column: Sequence[Group], looks: Mapping[Kind, Look]) -> list[Axes]:
    """Draws the panels of a column below each other."""
    panels = _panels(column)
    heights = [max(sum(group.height for group in groups), 0.3) for groups in panels.values()]
    rows = grid.subgridspec(len(panels), 1, height_ratios=heights)
    axes = []
    for row, (title, groups) in enumerate(panels.items()):
        first = figure.axes[0] if figure.axes else None
        axis = figure.add_subplot(rows[row], sharex=first)
        axis.set_title(title, loc="left", fontsize=8)
        _draw_groups(axis, groups, looks)
        axes.append(axis)
    for axis in axes[:-1]:
        axis.tick_params(labelbottom=False)
    return axes


def _draw_groups(axis: Axes, groups: Sequence[Group], looks: Mapping[Kind, Look]) -> None:
    """Draws the bars of each system beside its name; every second system has a grey ground."""
    top, middles = 0.0, []
    for number, group in enumerate(groups):
        if number % 2:
            axis.axhspan(top, top + group.height, color="#f3f3f3", linewidth=0)
        middle = top + group.height / 2
        for place, (kind, gain) in enumerate(group.gains.items()):
            _draw_gain(axis, middle + BAR * (place - (len(group.gains) - 1) / 2), gain, looks[kind])
        middles.append(middle)
        top += group.height
    axis.axvline(0, color="#555555", linewidth=0.8)
    axis.set_ylim(max(top, 0.3), 0)
    axis.set_yticks(middles, [group.name for group in groups])
    axis.grid(axis="y", visible=False)


def _draw_gain(axis: Axes, place: float, gain: Comparison, look: Look) -> None:
    """Draws one gain with its interval, if it has one."""
    if gain.gain is None:
        axis.annotate(
            "no sample has a value",
            (0.5, place),
            xycoords=("axes fraction", "data"),
            ha="center",
            va="center",
            fontsize=7,
        )
        return
    if gain.interval is not None:
        axis.plot(gain.interval, [place, place], **{key: look[key] for key in ("color", "linewidth")})
    axis.plot(gain.gain, place, **look | {"linestyle": ""} | MARKS[_mark(gain)])
