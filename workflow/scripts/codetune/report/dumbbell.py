"""The figure of scores: each model untuned, and tuned or shown examples, as written and on code."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from codetune.report.format import digits_of, format_number, format_signed
from codetune.report.gains import gains_over
from codetune.report.looks import GREY, HOLLOW, Look
from codetune.report.rows import EvaluatedSystem, evaluated_systems, gains_are_by_tuning
from codetune.report.rows_of_systems import (
    NAME_LINE,
    NOTHING_MEASURED,
    Group,
    Kind,
    SystemRow,
    draw_rows,
    evaluated_on_page,
    grouped,
    kinds_of,
    say_in_row,
    shorten,
    sign_entries,
    sign_of,
    write_beside,
)
from codetune.report.shown import Shown
from codetune.study.runs import NONE

TUNED: Look = {"linestyle": "", "markersize": 5}
UNTUNED: Look = {"marker": "|", "color": "black", "markersize": 8, "markeredgewidth": 1.6, "linestyle": ""}
OTHER: Look = {"marker": "|", "color": "#888888", "markersize": 5, "markeredgewidth": 0.9, "linestyle": ""}
INTERVAL: Look = {"color": GREY, "linewidth": 0.9, "linestyle": "-"}
REST = "not tuned"  # above the rows of systems that stand beside the tuned ones


def draw_dumbbell(shown: Shown) -> Figure:
    """Draws the score of each system from that of its untuned model to its own, as written and on code.

    A tall tick is the better of the untuned rows, a mark the model tuned, or with examples in its prompts. The thin
    line about the mark is the interval of the gain, laid from the tick: where it reaches the tick, the gain is not
    apart from zero. Beside each row stand the score, the gain and the sign of its verdict. Systems of models that are
    untuned alone, and of none, stand below, on the last page.
    """
    everything = evaluated_systems(shown.study, shown.comparisons)
    tests = {
        test: [*grouped(shown, systems, lambda _: [""]), *_rest(shown, everything, test)]
        for test, systems in evaluated_on_page(shown).items()
    }
    rows = [row for groups in tests.values() for group in groups for row in group.rows]
    found = [gain for row in rows for kind in kinds_of(shown) if (gain := row.one.gain(kind.metric))]
    others = any(len(gains_over(row.one, kind.metric)) > 1 for row in rows for kind in kinds_of(shown))
    baseline = "untuned" if gains_are_by_tuning(everything) else "baseline"
    entries = _marks([row.one for row in rows]) | _entries(bool(found), others, baseline)
    figure = draw_rows(shown, tests, entries | sign_entries(found), lambda *row: _draw_scores(shown, *row))
    for axis in figure.axes[-len(kinds_of(shown)) :]:
        axis.set_xlabel(shown.label)
        axis.set_xlim(*_limits(shown, everything))
    return figure


def _marks(systems: Sequence[EvaluatedSystem]) -> dict[str, Look]:
    """The legend's entries of the marks of systems."""
    tuned = {"tuned": {"marker": "o", "color": GREY} | TUNED} if any(one.is_tuned for one in systems) else {}
    hollow = {"marker": "o", "color": GREY} | HOLLOW | TUNED
    return tuned | ({"with examples": hollow} if any(one.has_examples for one in systems) else {})


def _entries(gains: bool, others: bool, baseline: str) -> dict[str, Look]:
    """The legend's entries of ticks and lines.

    Args:
        gains: Whether any system has a baseline.
        others: Whether any has several.
        baseline: What to call them.
    """
    ticks = {f"{baseline}, the better": UNTUNED, f"{baseline}, another": OTHER} if others else {baseline: UNTUNED}
    return ticks | {f"95 % interval{' of the gain' if gains else ''}": INTERVAL}


def _rest(shown: Shown, everything: Sequence[EvaluatedSystem], test: str) -> list[Group]:
    """The systems of models that are untuned alone, and of none; on the last page alone."""
    if shown.page != shown.pages[-1]:
        return []
    adapted = {one.system.model for one in everything if one.is_adapted}
    rest = [one for one in everything if one.test == test and one.system.model not in adapted]
    rows = [SystemRow(shorten(_name(shown, one)), one) for one in rest]
    return [Group(REST, rows)] if rows else []


def _name(shown: Shown, one: EvaluatedSystem) -> str:
    """Name of a system that is not tuned; without a model it has a name of its own."""
    if one.system.model == NONE:
        return shown.looks.without_model(one.system, NAME_LINE)
    return shown.looks.name(one.system, NAME_LINE)


def _draw_scores(shown: Shown, axis: Axes, place: float, row: SystemRow, kind: Kind) -> None:
    """Draws the scores of one row, and writes what they say beside it."""
    score, gain = row.one.score(kind.metric), row.one.gain(kind.metric)
    if score.score is None:
        say_in_row(axis, place, NOTHING_MEASURED)
        return
    interval, look = score.interval, shown.looks.of(row.one.system) if row.one.is_adapted else {}
    for name, one in gains_over(row.one, kind.metric).items():
        untuned = row.one.comparisons.score_of(one.over, kind.metric).score
        if untuned is None:
            continue
        is_better = gain is not None and gain.over.method == name
        if is_better:
            axis.plot([untuned, score.score], [place, place], color=look["color"], linewidth=3, alpha=0.35)
            interval = [untuned + end for end in one.interval] if one.interval else None
        axis.plot(untuned, place, **(UNTUNED if is_better else OTHER))
    if interval is not None:
        axis.plot(interval, [place, place], **INTERVAL)
    axis.plot(score.score, place, **(look | TUNED if row.one.is_adapted else UNTUNED))
    digits = digits_of(shown.comparisons[0].metrics[kind.metric].highest)
    texts = [format_number(score.score, digits), format_signed(gain.gain, digits) if gain else None, sign_of(gain)]
    write_beside(axis, place, "  ".join(filter(None, texts)))


def _limits(shown: Shown, everything: Sequence[EvaluatedSystem]) -> tuple[float, float]:
    """The same limits on all pages: those of all scores, with the intervals of gains."""
    values: list[float] = []
    for one in everything:
        for kind in kinds_of(shown):
            score, gain = one.score(kind.metric), one.gain(kind.metric)
            if score.score is not None:
                values.append(score.score)
                if gain is None:
                    values += score.interval or []
                elif gain.gain is not None:
                    values += [score.score - gain.gain + end for end in gain.interval or []]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.04 * (high - low) or 0.1
    return max(0.0, low - room), high + room
