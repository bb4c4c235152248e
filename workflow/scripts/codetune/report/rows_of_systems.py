"""Figures whose rows are systems, grouped by model: panels side by side, as written and on code."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from codetune.evaluation.comparisons import Comparison
from codetune.report.cells import format_interval
from codetune.report.flags import flag
from codetune.report.format import digits_of, format_signed
from codetune.report.looks import Look, in_lines, lines_of
from codetune.report.rows import EvaluatedSystem, evaluated_systems
from codetune.report.sheet import FULL, SMALL, new_sheet
from codetune.report.shown import Shown
from codetune.study.figures import treatment_of

ROW, LINE = 0.145, 0.11  # height of a row, and of each line of its name where that needs more, in inches
TITLE, BELOW = 0.3, 0.45  # above a panel and below the last one, in inches
NAME_LINE, MOST_LINES = 26, 5  # of a name: most characters of a line, and most lines
NOTHING_MEASURED = "no sample has a value"
SIGNS = {"better": "▲", "worse": "▼", "undecided": "?"}  # of verdicts


@dataclass(frozen=True)
class Kind:
    """What of each prediction is scored: a column of panels.

    Attributes:
        metric: Name of the metric.
        words: `as written` or `on code`; empty where there is no such choice.
    """

    metric: str
    words: str


@dataclass(frozen=True)
class SystemRow:
    """A row.

    Attributes:
        name: What stands beside it.
        one: The system.
        over: Name of the baseline's method, in a figure with a row for each; else empty.
    """

    name: str
    one: EvaluatedSystem
    over: str = ""


@dataclass(frozen=True)
class Group:
    """Rows of one model.

    Attributes:
        heading: Stands above them; empty where the rows say all.
        rows: The rows.
    """

    heading: str
    rows: list[SystemRow]

    @property
    def lines(self) -> list[str]:
        """What stands beside its rows, with the heading."""
        return [*([self.heading] if self.heading else []), *(row.name for row in self.rows)]

    @property
    def heights(self) -> list[float]:
        """Heights of these, in inches."""
        return [max(ROW, LINE * lines_of([line]) + 0.03) for line in self.lines]


DrawRow = Callable[[Axes, float, SystemRow, Kind], None]


def kinds_of(shown: Shown) -> list[Kind]:
    """Returns the metric as written and on code; the metric alone where there is no such choice."""
    code = shown.comparisons[0].on_code(shown.metric)
    return [Kind(shown.metric, "as written"), Kind(code, "on code")] if code else [Kind(shown.metric, "")]


def evaluated_on_page(shown: Shown) -> dict[str, list[EvaluatedSystem]]:
    """Returns the systems of the page on each test set, in the page's order; test sets that have none are left out."""
    found: dict[str, list[EvaluatedSystem]] = {}
    for one in evaluated_systems(shown.study, shown.comparisons):
        if one.system in shown.systems:
            found.setdefault(one.test, []).append(one)
    order = list(shown.systems)
    return {test: sorted(of_test, key=lambda one: order.index(one.system)) for test, of_test in found.items()}


def grouped(
    shown: Shown, systems: Sequence[EvaluatedSystem], overs: Callable[[EvaluatedSystem], list[str]]
) -> list[Group]:
    """Groups rows by model: a row says what is done to the model, and over which baseline, where these differ.

    Args:
        shown: The study and the page.
        systems: Systems of one test set, those of a model in a row.
        overs: Returns the names of a system's baselines that have rows of their own, or one empty name.
    """
    looks = shown.looks
    adapted = [one.system for one in evaluated_systems(shown.study, shown.comparisons) if one.is_adapted]
    several = len(set(map(treatment_of, adapted))) > 1
    groups: dict[str, Group] = {}
    for one in systems:
        method = _method(shown, one, systems) if several else ""
        rows = [
            SystemRow(", ".join(filter(None, [method, f"over {over}" if over else ""])), one, over)
            for over in overs(one)
        ]
        if several or len(rows) > 1:
            heading = looks.model(one.system.model, NAME_LINE) if several else looks.name(one.system, NAME_LINE)
        else:
            heading, rows = "", [SystemRow(shorten(looks.name(one.system, NAME_LINE)), one, rows[0].over)]
        groups.setdefault(one.system.model, Group(shorten(heading), [])).rows.extend(rows)
    return list(groups.values())


def _method(shown: Shown, one: EvaluatedSystem, systems: Sequence[EvaluatedSystem]) -> str:
    """What is done to a system's model; with the training data where those of the test set have several."""
    if len({other.system.data for other in systems}) > 1:
        return shown.looks.method(one.system, NAME_LINE)
    return in_lines(one.system.method + flag(one.system in shown.looks.marked), NAME_LINE)


def shorten(name: str) -> str:
    """A name in `MOST_LINES` lines: a row has room for no more."""
    lines = name.split("\n")
    return name if len(lines) <= MOST_LINES else "\n".join(lines[:MOST_LINES])[:-1] + "…"


def draw_rows(shown: Shown, tests: Mapping[str, Sequence[Group]], entries: Mapping[str, Look], draw: DrawRow) -> Figure:
    """Draws the rows of each test set, in panels as written and on code.

    Args:
        shown: The study and the page.
        tests: The rows of each test set, from the top.
        entries: Of the legend.
        draw: Draws a row into a panel, at a height.

    Returns:
        The figure, whose panels have neither labels nor limits of their x-axes.
    """
    kinds = kinds_of(shown)
    heights = [max(ROW, sum(sum(group.heights) for group in groups)) for groups in tests.values()] or [ROW]
    height = BELOW + sum(heights) + TITLE * len(heights)
    figure = new_sheet(FULL, height, dict(entries) | shown.looks.flag_entries(shown.systems))
    shape: dict[str, Any] = {
        "sharex": True,
        "sharey": "row",
        "squeeze": False,
        "gridspec_kw": {"height_ratios": heights},
    }
    panels = figure.subplots(len(heights), len(kinds), **shape)
    for axes, (test, groups) in zip(panels, tests.items(), strict=False):
        for axis, kind in zip(axes, kinds, strict=True):
            axis.set_title(_title(kind.words, test, groups, len(tests) > 1), loc="left")
            axis.tick_params(axis="y", length=0)
            axis.grid(axis="y", visible=False)
            for place, row in _rows_in(axis, groups):
                draw(axis, place, row, kind)
        _write_names(axes[0], groups)
    return figure


def _title(words: str, test: str, groups: Sequence[Group], several: bool) -> str:
    """Test set, kind, and on how many samples and seeds the values are."""
    shown = [row.one for group in groups for row in group.rows]
    if not shown:
        return words
    seeds = {len(one.records) for one in shown if one.is_random}
    parts = [test if several else "", words, f"n = {shown[0].summaries[0].samples:,}"]
    return ", ".join(filter(None, [*parts, f"{max(seeds)} seeds" if len(seeds) == 1 and seeds != {1} else ""]))


def _rows_in(axis: Axes, groups: Sequence[Group]) -> Iterator[tuple[float, SystemRow]]:
    """Lays each second group of a panel on a grey ground; gives the place of each row."""
    top = 0.0
    for number, group in enumerate(groups):
        if number % 2:
            axis.axhspan(top, top + sum(group.heights), color="#f3f3f3", linewidth=0)
        yield from zip(_places(top, group.heights)[-len(group.rows) :], group.rows, strict=True)
        top += sum(group.heights)


def _places(top: float, heights: Sequence[float]) -> list[float]:
    """The middles of rows below each other."""
    return [top + sum(heights[:place]) + height / 2 for place, height in enumerate(heights)]


def _write_names(axis: Axes, groups: Sequence[Group]) -> None:
    """Writes the names of the rows beside the first panel; those of models that stand above them are bold."""
    heights = [height for group in groups for height in group.heights]
    axis.set_yticks(_places(0.0, heights), [line for group in groups for line in group.lines])
    bold = [place == 0 and bool(group.heading) for group in groups for place in range(len(group.lines))]
    for label, is_bold in zip(axis.get_yticklabels(), bold, strict=True):
        label.set_fontweight("bold" if is_bold else "normal")
    axis.set_ylim(max(ROW, sum(heights)), 0)


def write_beside(axis: Axes, place: float, text: str) -> None:
    """Writes to the right of a panel, at the height of a row."""
    axis.annotate(
        text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL, annotation_clip=False
    )


def say_in_row(axis: Axes, place: float, text: str) -> None:
    """Writes into the middle of a row why nothing is drawn there."""
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "center", "va": "center", "fontsize": SMALL}
    axis.annotate(text, (0.5, place), **where)


def in_words(gain: Comparison, highest: float) -> str:
    """A gain with its interval, as tables print them."""
    digits = digits_of(highest)
    low, high = gain.ends
    interval = format_interval(pd.Series({"gain_low": low, "gain_high": high}), "gain", digits - 1, "+")
    return f"{format_signed(gain.gain, digits)}{f' ({interval})' if interval else ''}"


def sign_of(gain: Comparison | None) -> str:
    """The sign of a verdict; nothing where there is none."""
    return "" if gain is None or gain.verdict is None else SIGNS[gain.verdict]


def sign_entries(gains: Sequence[Comparison]) -> dict[str, Look]:
    """The legend's entries of the signs of these gains."""
    found = {gain.verdict for gain in gains}
    return {f"{sign} {verdict}": {"linestyle": ""} for verdict, sign in SIGNS.items() if verdict in found}
