"""Figure 2: the score against training steps, as in the paper, and against tokens; and what is gained, with a band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from codetune.base.files import reading
from codetune.base.plain import read_as
from codetune.evaluation.curves import MeanPoint, mean_curve
from codetune.report.grid import draw_grid, height_of_titles, kept_entries, mark_kept
from codetune.report.looks import GREY, by_treatment
from codetune.report.sheet import FULL, draw_line, new_sheet
from codetune.report.shown import Shown
from codetune.study.curve import Curve
from codetune.study.record import Record
from codetune.study.runs import System

TOKENS = "tokens seen (millions)"


@dataclass(frozen=True)
class Course:
    """How a system's score developed, over its seeds.

    Attributes:
        scores: Means over seeds, with bands.
        gains: Those over step 0, which are paired.
        tokens: Millions of tokens per step.
        kept: The step of each seed whose checkpoint is the result.
    """

    scores: list[MeanPoint]
    gains: list[MeanPoint]
    tokens: float
    kept: list[int]


def draw_figure2(shown: Shown) -> Figure:
    """The scores of a page's systems in a row of two panels per method, and their gains in one panel each."""
    courses = {
        system: read_course(shown.seeds[system], shown.metric) for system in shown.seeds if system in shown.looks.tuned
    }
    rows = by_treatment(shown.systems)
    with_scores, with_gains = ("scores" in shown.page.view), ("gains" in shown.page.view)
    gains = height_of_titles(shown) + _height_of_gains(len(rows))
    heights = [_height_of_scores(len(rows)) * with_scores, gains * with_gains]
    entries = shown.looks.model_entries(shown.systems) if with_scores else {}
    entries |= kept_entries() if with_gains else {}
    figure = new_sheet(FULL, sum(heights), entries | shown.looks.flag_entries(shown.systems))
    parts = iter(
        figure.subfigures(sum(map(bool, heights)), 1, height_ratios=list(filter(None, heights)), squeeze=False)
    )
    if with_scores:
        _draw_scores(next(parts)[0], shown, courses)
    if with_gains:
        _draw_gains(next(parts)[0], shown, courses)
    return figure


def read_course(seeds: Sequence[Record], metric: str) -> Course:
    """Reads the curves of a system's seeds.

    Args:
        seeds: Records of its runs.
        metric: Name of the metric.
    """
    curves = [read_as(record.curve, Curve) for record in seeds]
    with reading(seeds[0].curve):
        scores, gains = mean_curve(curves, metric, "score"), mean_curve(curves, metric, "gain")
    trainings = [record.training for record in seeds if record.training is not None]
    data, result, settings = trainings[0].data, trainings[0].result, trainings[0].plan.settings
    tokens = data.tokens * settings.epochs / result.planned_steps / 1e6
    return Course(scores, gains, tokens, [training.result.best_step for training in trainings])


def _height_of_scores(rows: int) -> float:
    """Height of the panels of scores, in inches."""
    return 0.4 + rows * (2.2 if rows == 1 else 1.35 if rows <= 3 else 0.87)


def _height_of_gains(rows: int) -> float:
    """Height of the panels of gains, in inches."""
    return 0.5 + rows * (1.3 if rows == 1 else 1.0 if rows <= 3 else 0.84)


def _draw_scores(part: FigureBase, shown: Shown, courses: Mapping[System, Course]) -> None:
    """Draws a row of two panels per treatment: against steps, and against tokens."""
    rows = by_treatment(shown.systems)
    axes = part.subplots(len(rows), 2, sharex="col", sharey=True, squeeze=False)
    for row, (treatment, systems) in zip(axes, rows.items(), strict=True):
        for system in systems:
            course = courses[system]
            look, name = shown.looks.of(system), shown.looks.name(system)
            for axis, scale in zip(row, (1.0, course.tokens), strict=True):
                draw_line(axis, [(scale * point.step, point.value) for point in course.scores], look, name)
        if len(shown.looks.trained) > 1:
            row[0].set_ylabel(shown.looks.treatment(treatment, 16))
    _limit(axes[-1], courses)
    axes[0][0].yaxis.set_major_locator(MaxNLocator(5 if len(rows) <= 3 else 3))
    axes[-1][0].set_xlabel("training steps")
    axes[-1][1].set_xlabel(TOKENS)
    part.supylabel(f"{shown.label} (validation subset)", fontsize=7.5)


def _limit(axes: Sequence[Axes], courses: Mapping[System, Course]) -> None:
    """Gives the panels the limits of all systems of the study, so that pages can be laid side by side."""
    steps = [(point.step, course.tokens) for course in courses.values() for point in course.scores]
    if steps:
        axes[0].set_xlim(0, 1.02 * max(step for step, _ in steps))
        axes[1].set_xlim(0, 1.02 * max(step * tokens for step, tokens in steps))
    values = [point.value for course in courses.values() for point in course.scores]
    if values:
        margin = 0.06 * (max(values) - min(values)) or 0.05
        axes[0].set_ylim(min(values) - margin, max(values) + margin)


def _draw_gains(part: FigureBase, shown: Shown, courses: Mapping[System, Course]) -> None:
    """Draws a panel per system: what its checkpoints gain over its untuned model, with a band."""

    def draw(axis: Axes, system: System, look: dict[str, Any]) -> None:
        course = courses[system]
        axis.axhline(0, color=GREY, linewidth=0.6)
        if course.gains:
            steps, values, low, high = zip(*course.gains, strict=True)
            tokens = [course.tokens * step for step in steps]
            axis.fill_between(tokens, low, high, color=look["color"], alpha=0.25, linewidth=0)
            draw_line(axis, list(zip(tokens, values, strict=True)), look, shown.looks.name(system))
        mark_kept(axis, [course.tokens * step for step in course.kept])

    axes = draw_grid(part, shown, draw)
    ends = [end for course in courses.values() for point in course.gains for end in (point.low, point.high)]
    last = [course.tokens * point.step for course in courses.values() for point in course.gains]
    if ends:
        margin = 0.05 * (max(*ends, 0.0) - min(*ends, 0.0)) or 0.05
        axes[0][0].set_ylim(min(*ends, 0.0) - margin, max(*ends, 0.0) + margin)
        axes[0][0].set_xlim(0, 1.04 * max(last) or 1.0)
    part.supxlabel(TOKENS, fontsize=7.5)
    part.supylabel(f"gain in {shown.label} over step 0", fontsize=7.5)
