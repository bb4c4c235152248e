"""The figure of gains: over each baseline, as written and on code, with intervals, verdicts and the paper's values."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from codetune.evaluation.comparisons import Comparison
from codetune.papers.declared import PAPER_METRIC, is_comparable
from codetune.papers.scores import declared_gain
from codetune.report.gains import gains_over, say_cause
from codetune.report.looks import GREY, Look
from codetune.report.rows import EvaluatedSystem, evaluated_systems, gains_are_by_tuning
from codetune.report.rows_of_systems import (
    NOTHING_MEASURED,
    Kind,
    SystemRow,
    draw_rows,
    evaluated_on_page,
    grouped,
    in_words,
    kinds_of,
    say_in_row,
    sign_entries,
    sign_of,
    write_beside,
)
from codetune.report.shown import Shown

POINT: Look = {"linestyle": "", "markersize": 4.2}
PAPER: Look = {"marker": "*", "color": "black", "markerfacecolor": "white", "markersize": 6.5, "linestyle": ""}


def draw_forest(shown: Shown) -> Figure:
    """Draws the gain of each system over each baseline of its method, with its 95 % interval, as written and on code.

    Beside each gain stand its value, interval and the sign of its verdict. Only the gain over the better baseline has a
    verdict. A star is the paper's own gain.
    """
    everything = evaluated_systems(shown.study, shown.comparisons)
    names = list(dict.fromkeys(over for one in everything if one.is_adapted for over in _overs(one, shown)))

    def overs(one: EvaluatedSystem) -> list[str]:
        return _overs(one, shown) if len(names) > 1 else [""]

    tests = {
        test: grouped(shown, [one for one in systems if _overs(one, shown)], overs)
        for test, systems in evaluated_on_page(shown).items()
    }
    drawn = [
        (row, kind) for groups in tests.values() for group in groups for row in group.rows for kind in kinds_of(shown)
    ]
    entries = sign_entries([gain for row, kind in drawn if (gain := _gain(row, kind))])
    if any(paper_gain(shown, row, kind) is not None for row, kind in drawn):
        entries = {"the paper's gain": PAPER} | entries
    figure = draw_rows(shown, tests, entries, lambda *row: _draw_gain(shown, *row))
    cause = say_cause(everything, {one.system.method for one in everything if one.is_adapted})
    over = f"by {cause}" if gains_are_by_tuning(everything) else "over the baseline"
    over = f"over {names[0]}" if len(names) == 1 else over
    for axis in figure.axes[-len(kinds_of(shown)) :]:
        axis.set_xlabel(f"gain in {shown.label} {over}")
        axis.set_xlim(*_limits(shown, everything))
    for axis in figure.axes:
        axis.axvline(0, color=GREY, linewidth=0.8, zorder=0.5)
    return figure


def _overs(one: EvaluatedSystem, shown: Shown) -> list[str]:
    """Names of the baselines that a system has a gain over, evaluated or not by one of the kinds."""
    return list(dict.fromkeys(name for kind in kinds_of(shown) for name in gains_over(one, kind.metric)))


def _gain(row: SystemRow, kind: Kind) -> Comparison | None:
    gains = gains_over(row.one, kind.metric)
    return gains.get(row.over) if row.over else next(iter(gains.values()), None)


def paper_gain(shown: Shown, row: SystemRow, kind: Kind) -> float | None:
    """The paper's own gain of a row; None where the paper has none of this checkpoint, or none by this metric."""
    gain, model = _gain(row, kind), row.one.system.model
    declared = shown.paper.get("models", {}).get(model)
    is_its = declared is not None and row.one.model.source.is_repository(declared["repo"])
    tests = [one.test for one in shown.comparisons]
    is_its = is_its and is_comparable(shown.paper, row.one.system, row.one.test, tests)
    if gain is None or not is_its or kind.metric != PAPER_METRIC:
        return None
    return declared_gain(shown.paper, model, row.one.system.method, gain.over.method)


def _draw_gain(shown: Shown, axis: Axes, place: float, row: SystemRow, kind: Kind) -> None:
    """Draws one gain with its interval, and writes both beside it."""
    gain = _gain(row, kind)
    if gain is None:
        return
    if gain.gain is None:
        say_in_row(axis, place, NOTHING_MEASURED)
        return
    look = shown.looks.of(row.one.system)
    if gain.interval is not None:
        axis.plot(gain.interval, [place, place], color=look["color"], linewidth=1.2, solid_capstyle="butt")
    axis.plot(gain.gain, place, **look | POINT)
    declared = paper_gain(shown, row, kind)
    if declared is not None:
        axis.plot(declared, place, **PAPER)
    text = in_words(gain, shown.comparisons[0].metrics[kind.metric].highest)
    write_beside(axis, place, f"{text} {sign_of(gain)}".strip())


def _limits(shown: Shown, everything: Sequence[EvaluatedSystem]) -> tuple[float, float]:
    """The same limits on all pages: those of all gains with their intervals, and zero."""
    values = [0.0]
    for one in everything:
        for kind in kinds_of(shown):
            for over, gain in gains_over(one, kind.metric).items():
                if one.is_adapted and gain.gain is not None:
                    declared = paper_gain(shown, SystemRow("", one, over), kind)
                    values += [gain.gain, *(gain.interval or []), *([] if declared is None else [declared])]
    room = 0.04 * (max(values) - min(values)) or 0.1
    return min(values) - room, max(values) + room
