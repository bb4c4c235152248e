"""The figure of losses: training and validation on one scale, with the gap between them, and the kept checkpoint."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from codetune.base.files import Row
from codetune.report.grid import draw_grid, height_of_titles, kept_entries, mark_kept
from codetune.report.looks import GREY, Look, by_model
from codetune.report.sheet import COLUMN, FULL, draw_line, new_sheet
from codetune.report.shown import Shown
from codetune.study.record import Record
from codetune.study.runs import System
from codetune.study.training_log import read_training_log

Points = list[tuple[int, float]]
TRAINING: Look = {"color": GREY, "linestyle": "-", "linewidth": 0.8}


@dataclass(frozen=True)
class Losses:
    """The losses of a system, as means over its seeds; NaN where one of them is no finite number.

    Attributes:
        training: The last step of each stretch between evaluations, and the mean loss over the stretch.
        validation: The step of each evaluation, and its loss; the first is that of the untuned model.
        kept: The step of each seed whose checkpoint is the result.
    """

    training: Points
    validation: Points
    kept: list[int]


def draw_losses(shown: Shown) -> Figure:
    """Draws a panel per system of a page, with the same axes: losses before the first step may lie above them."""
    losses = {one: read_losses(seeds) for one, seeds in shown.seeds.items() if one in shown.looks.tuned}
    rows = len({(system.data, system.method) for system in shown.systems})
    height = 0.5 + height_of_titles(shown) + rows * (2.0 if rows == 1 else 1.3 if rows <= 3 else 0.84)
    entries = {"validation": {"color": GREY, "marker": "o", "linestyle": "-"}, "training": TRAINING} | kept_entries()
    width = FULL if len(by_model(shown.systems)) > 1 else COLUMN
    figure = new_sheet(width, height, entries | shown.looks.flag_entries(shown.systems))

    def draw(axis: Axes, system: System, look: Look) -> None:
        found = losses[system]
        training = dict(found.training)
        both = [(step, loss, training[step]) for step, loss in found.validation if step in training]
        if both:
            steps, validation, trained = zip(*both, strict=True)
            axis.fill_between(steps, trained, validation, color=look["color"], alpha=0.2, linewidth=0)
        axis.plot(*zip(*found.training, strict=True), **TRAINING)
        draw_line(axis, found.validation, look | {"clip_on": True}, shown.looks.name(system))
        mark_kept(axis, found.kept)

    # Above the legend, which the labels of the figure itself would lie on.
    part = figure.subfigures(1, 1, squeeze=False)[0, 0]
    axes = draw_grid(part, shown, draw)
    _limit(axes[0][0], losses)
    part.supxlabel("training steps", fontsize=7.5)
    part.supylabel("loss (nats per token)", fontsize=7.5)
    return figure


def _limit(axis: Axes, losses: Mapping[System, Losses]) -> None:
    """Gives the panels the limits of all systems of the study after their first step."""
    shown = [
        point
        for of_system in losses.values()
        for point in (*of_system.training, *of_system.validation)
        if point[0] > 0 and math.isfinite(point[1])
    ]
    low, high = min(loss for _, loss in shown), max(loss for _, loss in shown)
    margin = 0.06 * (high - low) or 0.1
    axis.set_ylim(low - margin, high + margin)
    kept = [step for of_system in losses.values() for step in of_system.kept]
    axis.set_xlim(0, 1.04 * max(*kept, *(step for step, _ in shown)))


def read_losses(seeds: Sequence[Record]) -> Losses:
    """Reads the training logs of a system's seeds, and averages them at the steps that all of them have."""
    logs = [read_training_log(record.read_path("training_log")) for record in seeds]
    validation = [[(row["step"], row["eval_loss"]) for row in log if "eval_loss" in row] for log in logs]
    kept = [record.training.result.best_step for record in seeds if record.training is not None]
    return Losses(_mean([mean_losses(log) for log in logs]), _mean(validation), kept)


def _mean(seeds: Sequence[Points]) -> Points:
    """The mean of curves at the steps that all of them have."""
    curves = [dict(points) for points in seeds]
    steps = [step for step in curves[0] if all(step in curve for curve in curves)]
    return [(step, statistics.fmean(curve[step] for curve in curves)) for step in steps]


def mean_losses(log: Sequence[Row]) -> Points:
    """Training losses of a log, averaged over the steps from one evaluation to the next.

    Args:
        log: Rows with `step` and either `loss` or `eval_loss`, in the order of the training.

    Returns:
        The last step of each stretch and its mean loss.
    """
    points: Points = []
    stretch: list[Row] = []
    for row in [*log, {"eval_loss": None}]:
        if "loss" in row:
            stretch.append(row)
        elif stretch:
            points.append((stretch[-1]["step"], statistics.fmean(row["loss"] for row in stretch)))
            stretch = []
    return points
