"""The figure of methods against each other: a matrix per model, with the difference and verdict of each pair."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from codetune.evaluation.comparisons import Comparison, Comparisons
from codetune.report.format import digits_of, format_signed
from codetune.report.looks import by_model
from codetune.report.rows_of_systems import SIGNS, shorten, sign_of
from codetune.report.sheet import FULL, SMALL, new_sheet
from codetune.report.shown import Shown
from codetune.study.figures import CELL, MATRIX_AROUND, matrices_side_by_side
from codetune.study.runs import System

NAME_LINE = 28  # most characters of a line of a method's name
PALEST = 0.1  # of a decided cell's ground, as a share of the strongest
BETTER, WORSE = "#0072B2", "#D55E00"  # grounds of cells in which the row is better, or worse
NO_PAIR, NO_VALUE = "-", "no value"  # what stands in a cell without a difference


def draw_matrix(shown: Shown) -> Figure:
    """Draws a matrix for each model: each cell is the score of the row's method less that of the column's.

    A cell has a ground where the difference has a verdict that is decided, the stronger the larger it is. Models are
    not averaged: a method that is better on one model and worse on another would look undecided.
    """
    panels = [panel for comparisons in shown.comparisons for panel in _panels(shown, comparisons)]
    across = matrices_side_by_side(max((len(systems) for _, systems in panels), default=1))
    rows = [panels[start : start + across] for start in range(0, len(panels), across)]
    heights = [MATRIX_AROUND + CELL * max(len(systems) for _, systems in row) for row in rows] or [1.0]
    signs = {**SIGNS, **({"not compared": NO_PAIR} if _lacks_a_pair(shown, panels) else {})}
    entries = {f"{sign} {verdict}": {"linestyle": ""} for verdict, sign in signs.items()}
    figure = new_sheet(FULL, sum(heights), entries)
    grid = figure.subplots(len(heights), across, squeeze=False, gridspec_kw={"height_ratios": heights})
    largest = _largest(shown)
    for axes, row in zip(grid, rows, strict=False):
        for axis, (comparisons, systems) in zip(axes, row, strict=False):
            several = len(shown.comparisons) > 1
            title = [comparisons.test if several else "", shown.looks.model(systems[0].model, 60)]
            axis.set_title(", ".join(filter(None, title)), loc="left", fontweight="bold")
            _draw_matrix(shown, axis, comparisons, systems, largest)
    if not rows:
        figure.text(0.5, 0.5, "no two methods were evaluated on one model", ha="center", va="center")
    for axis in figure.axes:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_axis_off()
    return figure


def _panels(shown: Shown, comparisons: Comparisons) -> list[tuple[Comparisons, list[System]]]:
    """The systems of each model of the page on one test set, untuned ones first."""
    models = by_model(shown.systems)
    found = []
    for name, trained in models.items():
        untuned = [system for system in shown.seeds if system.model == name and system not in shown.looks.tuned]
        systems = [one for one in (*untuned, *trained) if comparisons.test in shown.seeds[one][0].tests]
        if len(systems) > 1 and any(one in shown.looks.tuned for one in systems):
            found.append((comparisons, systems))
    return found


def _draw_matrix(shown: Shown, axis: Axes, comparisons: Comparisons, systems: Sequence[System], largest: float) -> None:
    """Draws the lower half of a matrix; the upper one would be the same with other signs."""
    digits = digits_of(comparisons.metrics[shown.metric].highest)
    write: dict[str, Any] = {"va": "center", "fontsize": SMALL}
    for row, system in enumerate(systems):
        name = shorten(shown.looks.method(system, NAME_LINE))
        if row:
            axis.text(-0.08, row, name, ha="right", **write)
        axis.text(row + 0.04, row, name, ha="left", color="#555555", **write) if row + 1 < len(systems) else None
        for column, other in enumerate(systems[:row]):
            found = difference_of(comparisons, system, other, shown.metric)
            if found is None or found.gain is None:
                text = NO_VALUE if found else NO_PAIR
            else:
                text = f"{format_signed(found.gain, digits)} {sign_of(found)}".strip()
            axis.add_patch(
                Rectangle((column, row - 0.5), 1, 1, linewidth=0.5, edgecolor="#cccccc", **_ground(found, largest))
            )
            axis.text(column + 0.5, row, text, ha="center", **write)
    axis.set_xlim(0, max(2.3, len(systems) - 0.7))
    axis.set_ylim(len(systems) - 0.5, -0.5)


def _lacks_a_pair(shown: Shown, panels: Sequence[tuple[Comparisons, list[System]]]) -> bool:
    """Whether some two systems of a matrix were not compared."""
    return any(
        difference_of(comparisons, system, other, shown.metric) is None
        for comparisons, systems in panels
        for row, system in enumerate(systems)
        for other in systems[:row]
    )


def difference_of(comparisons: Comparisons, system: System, over: System, metric: str) -> Comparison | None:
    """The comparison of two systems of one model, be it a gain or a pair; None where they were not compared."""
    for one in comparisons.comparisons:
        if one.metric == metric:
            if (one.system, one.over) == (system, over):
                return one
            if (one.system, one.over) == (over, system):
                return one.reverse
    return None


def _ground(found: Comparison | None, largest: float) -> dict[str, Any]:
    """The ground of a cell: white where nothing is decided."""
    if found is None or found.gain is None or found.verdict not in ("better", "worse"):
        return {"facecolor": "white"}
    color = BETTER if found.verdict == "better" else WORSE
    share = PALEST + (1 - PALEST) * min(1.0, abs(found.gain) / largest)
    return {"facecolor": mpl.colors.to_rgba(color, 0.1 + 0.4 * share)}


def _largest(shown: Shown) -> float:
    """The largest difference of any pair of one model, which has the strongest ground on every page."""
    found = [
        abs(one.gain)
        for comparisons in shown.comparisons
        for one in comparisons.comparisons
        if one.metric == shown.metric and one.system.model == one.over.model and one.gain is not None
    ]
    return max(found, default=0.0) or 1.0
