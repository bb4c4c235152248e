"""The figures of gains by language and by length of the reference: a panel per model, as written and on code."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from codetune.evaluation.comparisons import Comparison, Comparisons, SampleClass
from codetune.report.looks import GREY, Look, by_model, in_lines, lines_of
from codetune.report.rows_of_systems import NOTHING_MEASURED, Kind, kinds_of, say_in_row, shorten
from codetune.report.sheet import FULL, new_sheet
from codetune.report.shown import Shown
from codetune.study.figures import AROUND_CLASSES, SIDE_BY_SIDE, height_of_class, treatment_of
from codetune.study.runs import System

BELOW = 0.5  # the last row of panels, in inches
LINE = 0.1  # height of a line of a name, in inches
NAME_LINE = 20  # most characters of a line of a class's name
TITLE_LINE = 24  # of a panel's title
POINT: Look = {"linewidth": 0.9, "markersize": 3.2, "markeredgewidth": 0.7}
Of = Literal["language", "length"]


class Panel(NamedTuple):
    """What a panel shows.

    Attributes:
        comparisons: What the bootstrap says of its test set.
        classes: The classes of its samples.
        systems: Those of one model.
    """

    comparisons: Comparisons
    classes: list[SampleClass]
    systems: list[System]

    @property
    def heights(self) -> list[float]:
        """Heights of the rows of the classes, in inches."""
        each = height_of_class(len(self.systems))
        return [max(each, LINE * lines_of([_name(one)]) + 0.04) for one in self.classes]

    @property
    def places(self) -> list[float]:
        """The middles of these rows, from the top."""
        return [sum(self.heights[:row]) + height / 2 for row, height in enumerate(self.heights)]


def draw_languages(shown: Shown) -> Figure:
    """Draws the gain of each system over the better baseline in the samples of each language, with 95 % intervals."""
    return _draw_classes(shown, "language")


def draw_lengths(shown: Shown) -> Figure:
    """Draws the same by the length of the reference."""
    return _draw_classes(shown, "length")


def _draw_classes(shown: Shown, of: Of) -> Figure:
    """Draws rows of panels, in which a class has a row and a system a mark."""
    kinds, rows = kinds_of(shown), _rows_of_panels(shown, of)
    treatments = list(dict.fromkeys(map(treatment_of, shown.systems)))
    several = len({panel.comparisons.test for row in rows for panel in row}) > 1
    titles = [_title(shown, panel, kinds[0], several) for row in rows for panel in row]
    around = AROUND_CLASSES + LINE * max(0, lines_of(titles) - 2)
    heights = [around + max(sum(panel.heights) for panel in row) for row in rows] or [1.0]
    entries = shown.looks.treatment_entries(shown.systems) if len(treatments) > 1 else {}
    entries |= shown.looks.flag_entries(shown.systems)
    figure = new_sheet(FULL, BELOW + sum(heights), entries)
    columns = len(kinds) * max(map(len, rows), default=1)
    shape: dict[str, Any] = {
        "sharex": True,
        "sharey": "row",
        "squeeze": False,
        "gridspec_kw": {"height_ratios": heights},
    }
    grid = figure.subplots(len(heights), columns, **shape)
    for axes, panels in zip(grid, rows, strict=False):
        places = [(panel, kind) for panel in panels for kind in kinds]
        for axis, (panel, kind) in zip(axes, places, strict=False):
            axis.set_title(_title(shown, panel, kind, several), loc="left")
            _draw_panel(shown, axis, panel, kind)
        for axis in axes[len(places) :]:
            axis.remove()
    for column in grid.T:  # where the last row is shorter, the one above has the numbers
        last = [axis for axis in column if axis in figure.axes][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel(f"gain in {shown.label}")
    for axis in figure.axes:
        axis.set_xlim(*_limits(shown, of))
        axis.xaxis.set_major_locator(MaxNLocator(4))
    return figure


def _title(shown: Shown, panel: Panel, kind: Kind, several: bool) -> str:
    """Model, and below it kind and, where there are several, test set."""
    below = ", ".join(filter(None, [panel.comparisons.test if several else "", kind.words]))
    return "\n".join(filter(None, [shorten(shown.looks.model(panel.systems[0].model, TITLE_LINE)), below]))


def _rows_of_panels(shown: Shown, of: Of) -> list[list[Panel]]:
    """The panels, some models side by side; those of a row are of one test set."""
    found = []
    for comparisons in shown.comparisons:
        classes = [one for one in comparisons.classes if one.kind == of]
        here = [
            system
            for system in shown.systems
            if any(record.tests.keys() >= {comparisons.test} for record in shown.seeds[system])
        ]
        panels = [Panel(comparisons, classes, systems) for systems in by_model(here).values()]
        found += [panels[start : start + SIDE_BY_SIDE] for start in range(0, len(panels), SIDE_BY_SIDE)]
    return found


def _name(one: SampleClass) -> str:
    """Name and number of samples of a class."""
    return in_lines(f"{one.name}  ({one.samples:,})", NAME_LINE)


def _draw_panel(shown: Shown, axis: Axes, panel: Panel, kind: Kind) -> None:
    """Draws the gains of one model's systems in each class, below each other; each second class on a grey ground."""
    axis.axvline(0, color=GREY, linewidth=0.8, zorder=0.5)
    for number, (one, place, height) in enumerate(zip(panel.classes, panel.places, panel.heights, strict=True)):
        if number % 2:
            axis.axhspan(place - height / 2, place + height / 2, color="#f3f3f3", linewidth=0)
        gains = {system: one.gain_of(system, kind.metric) for system in panel.systems}
        if all(gain is None for gain in gains.values()):
            say_in_row(axis, place, "no baseline was evaluated")
        elif all(gain is None or gain.gain is None for gain in gains.values()):
            say_in_row(axis, place, NOTHING_MEASURED)
        for part, (system, gain) in enumerate(gains.items()):
            if gain is not None:
                _draw_gain(shown, axis, place + 0.8 * height * ((part + 0.5) / len(gains) - 0.5), system, gain)
    axis.set_yticks(panel.places, [_name(one) for one in panel.classes])
    axis.set_ylim(sum(panel.heights) or 1, 0)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)


def _draw_gain(shown: Shown, axis: Axes, place: float, system: System, gain: Comparison) -> None:
    """Draws one gain with its interval."""
    if gain.gain is None:
        return
    low, high = gain.interval or (gain.gain, gain.gain)
    name = shown.looks.name(system)
    is_first = name not in axis.get_legend_handles_labels()[1]
    look = shown.looks.of(system) | POINT | {"label": name if is_first else None}
    axis.plot([low, gain.gain, high], [place] * 3, markevery=[1], **look)


def _limits(shown: Shown, of: Of) -> tuple[float, float]:
    """The same limits on all pages: those of all gains with their intervals, and zero."""
    values = [0.0, *_ends(shown, of)]
    room = 0.04 * (max(values) - min(values)) or 0.1
    return min(values) - room, max(values) + room


def _ends(shown: Shown, of: Of) -> Iterator[float]:
    metrics = {kind.metric for kind in kinds_of(shown)}
    for comparisons in shown.comparisons:
        for one in comparisons.classes:
            for gain in one.gains:
                if one.kind == of and gain.family == "gain" and gain.metric in metrics and gain.gain is not None:
                    yield from (gain.gain, *(gain.interval or []))
