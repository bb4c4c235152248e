"""The figure of what becomes of generated code: what passes unit tests, and what is wrong with the rest."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from codetune.report.executed import CLASSES, FIRST, shares_of_classes
from codetune.report.format import digits_of_mean, format_number
from codetune.report.looks import in_lines
from codetune.report.rows import EvaluatedSystem, evaluated_systems
from codetune.report.rows_of_systems import NAME_LINE, sign_of
from codetune.report.sheet import FULL, SMALL, new_sheet
from codetune.report.shown import Shown
from codetune.study.runs import NONE

ROW, AROUND = 0.2, 0.8  # height of a row, and of what is above and below all of them, in inches
# Apart in grey, too: neighbours differ in lightness, or one of them is hatched.
COLOURS = ("#08519c", "#9ecae1", "#fd8d3c", "#fdd0a2", "#bdbdbd", "#636363")
HATCHES = ("", "", "", "////", "", "")
NOT_EXECUTED = "not executed"


def draw_execution(shown: Shown) -> Figure:
    """Draws a bar per system: the shares of its answers that pass, and of each class of errors.

    Beside a bar stand pass@1, its interval and the sign of the gain's verdict.
    """
    rows = _rows(shown)
    figure = new_sheet(FULL, AROUND + ROW * len(rows), {})
    axis = figure.subplots()
    for place, one in enumerate(rows):
        _draw_row(axis, place, one)
    axis.set_yticks(range(len(rows)), [_name(shown, one) for one in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(0, 1)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel(f"share of all answers to the problems of {shown.page.view}")
    looks = zip(CLASSES, COLOURS, HATCHES, strict=True)
    handles = [Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name) for name, colour, hatch in looks]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def _rows(shown: Shown) -> list[EvaluatedSystem]:
    """The systems of the page with the untuned ones of their models; on the last page those of other models, too."""
    everything = [one for one in evaluated_systems(shown.study, shown.comparisons) if one.test == shown.page.view]
    trained = {one.system.model for one in everything if one.is_tuned}
    models = {system.model for system in shown.systems}
    last = [page for page in shown.pages if page.view == shown.page.view][-1] == shown.page
    return [
        one
        for one in everything
        if one.system in shown.systems
        or (not one.is_tuned and one.system.model in models)
        or (last and one.system.model not in trained)
    ]


def _name(shown: Shown, one: EvaluatedSystem) -> str:
    if one.system.model == NONE:
        return shown.looks.without_model(one.system, NAME_LINE)
    name = f"{one.model.label}, {shown.looks.method(one.system, NAME_LINE)}"
    return in_lines(name, 2 * NAME_LINE)


def _draw_row(axis: Axes, place: int, one: EvaluatedSystem) -> None:
    left, shares = 0.0, shares_of_classes(one)
    for share, colour, hatch in zip(shares.values(), COLOURS, HATCHES, strict=False):
        axis.barh(place, share, left=left, height=0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4)
        left += share
    axis.text(1.01, place, _beside(one) if shares else NOT_EXECUTED, va="center", fontsize=SMALL, clip_on=False)


def _beside(one: EvaluatedSystem) -> str:
    """pass@1 of a system with its interval, and the sign of its gain's verdict."""
    score = one.score(FIRST)
    digits = digits_of_mean(one.comparisons.metrics[FIRST].highest, one.summaries[0].samples)
    low, high = (format_number(end, digits) for end in score.ends)
    interval = f"({low} to {high})" if low and high else None
    return "  ".join(filter(None, [format_number(score.score, digits), interval, sign_of(one.gain(FIRST))]))
