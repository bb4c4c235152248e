"""Rule figure: the paper's figures and three more, readable in grey and at column width."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from codetune.base.files import Row, reading
from codetune.base.plain import read_as
from codetune.evaluation.comparisons import read_comparisons
from codetune.papers.declared import read_paper
from codetune.report.class_gains import draw_languages, draw_lengths
from codetune.report.dumbbell import draw_dumbbell
from codetune.report.forest import draw_forest
from codetune.report.matrix import draw_matrix
from codetune.report.shown import Shown
from codetune.report.style import (
    POINT,
    RING,
    STYLE,
    draw_legend,
    draw_line,
    flag_entries,
    legend_entries,
    looks_of,
    make_room,
    names_of,
    row_height,
    save_figure,
    short_number,
)
from codetune.study.curve import Curve
from codetune.study.facts import TrainingCost
from codetune.study.figures import figure_pages
from codetune.study.record import read_records
from codetune.study.training_log import read_training_log


class CurvePoint(NamedTuple):
    """The score after some steps, with its interval."""

    step: int
    score: float
    low: float
    high: float


def draw_figure(name: str, inputs: Mapping[str, Any], metric: str, outputs: Mapping[str, str]) -> None:
    """Draws a page of a figure.

    Args:
        name: Of the page: that of one of `FIGURES`, with a letter where that has several.
        inputs: `records`, of all runs or of those that train; for figures with scores `comparisons`, one per test set;
            `paper`, what the paper declares.
        metric: Name of the metric that they show.
        outputs: Path for each of png, svg, pdf.
    """
    comparisons = [read_comparisons(path) for path in inputs.get("comparisons", [])]
    records = read_records(inputs["records"])
    page = figure_pages([record.run.system for record in records])[name]
    with mpl.rc_context(STYLE):
        save_figure(
            FIGURES[page.figure](Shown(records, comparisons, metric, page, read_paper(inputs["paper"]))), outputs
        )


def draw_figure1(shown: Shown) -> Figure:
    """What training used: time, speed and memory of each tuned run (the paper's Figure 1)."""
    names, looks = names_of(shown.records, seeds=True), looks_of(shown.records)
    speed = ("tokens per second", [cost.tokens_per_second for cost in shown.costs])
    panels = [_times(shown.costs), speed, _memories(shown.costs)]
    figure = Figure(figsize=(7.0, 0.7 + row_height(names) * len(names)))
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (label, values) in zip(axes, panels, strict=True):
        bars = axis.barh(range(len(names)), values, height=0.65, color=[look["color"] for look in looks])
        axis.bar_label(bars, [short_number(value) for value in values], padding=2, fontsize=7)
        axis.set_xlabel(label)
        axis.set_xlim(0, 1.22 * max(values))
        axis.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    make_room(figure, axes[:1], 4.9)
    draw_legend(figure, flag_entries(shown.records))
    return figure


def draw_figure2(shown: Shown) -> Figure:
    """The score of the fine-tuned models against training steps (the paper's Figure 2).

    Step 0 is the untuned model. The bands are 95 % intervals over the samples; all curves are of the same samples, so
    that two curves may differ though their bands overlap.
    """
    figure = Figure(figsize=(3.5, 3.1))
    axis = figure.subplots()
    for record, look in zip(shown.records, looks_of(shown.records), strict=True):
        points = read_curve(record.curve, shown.metric)
        if points:
            draw_line(axis, [(point.step, point.score) for point in points], look)
            steps, _, low, high = zip(*points, strict=True)
            axis.fill_between(steps, low, high, color=look["color"], alpha=0.12, linewidth=0)
    axis.set_xlabel("training steps")
    axis.set_ylabel(f"{shown.label} (validation subset)")
    axis.set_xlim(left=0)
    draw_legend(figure, legend_entries(shown.records))
    return figure


def read_curve(path: Path, metric: str) -> list[CurvePoint]:
    """Points of a run's curve by one metric, without those where it applies to no sample.

    Where it applies to so few that there is no interval, the band has no width.
    """
    curve = read_as(path, Curve)
    with reading(path):
        found = [(point.step, point.scores[metric]) for point in curve.points]
        return [
            CurvePoint(step, one.score, *(one.interval or [one.score] * 2))
            for step, one in found
            if one.score is not None
        ]


def draw_losses(shown: Shown) -> Figure:
    """Training and validation loss of the tuned runs against training steps.

    The training loss is the mean over the steps since the last evaluation. A ring marks the lowest validation loss,
    whose checkpoint is kept. Losses are per token: those of models with different tokenizers do not compare. A curve
    has a gap where a loss is no finite number.
    """
    figure = Figure(figsize=(3.5, 4.4))
    above, below = figure.subplots(2, 1, sharex=True)
    for record, look in zip(shown.records, looks_of(shown.records), strict=True):
        log = read_training_log(record.read_path("training_log"))
        validation = [(row["step"], row["eval_loss"]) for row in log if "eval_loss" in row]
        draw_line(above, mean_losses(log), look)
        draw_line(below, validation, look)
        best = min(((step, loss) for step, loss in validation if step > 0 and isfinite(loss)), key=itemgetter(1))
        below.plot(*best, **RING | {"color": look["color"]}, clip_on=False)
    above.set_ylabel("training loss\n(nats per token)")
    below.set_ylabel("validation loss\n(nats per token)")
    below.set_xlabel("training steps")
    below.set_xlim(left=0)
    draw_legend(figure, legend_entries(shown.records) | {"lowest: checkpoint kept": RING})
    return figure


def mean_losses(log: Sequence[Row]) -> list[tuple[int, float]]:
    """Training losses of a log, averaged over the steps from one evaluation to the next.

    Args:
        log: Rows with `step` and either `loss` or `eval_loss`, in the order of the training.

    Returns:
        The last step of each stretch and its mean loss.
    """
    points: list[tuple[int, float]] = []
    stretch: list[Row] = []
    for row in [*log, {"eval_loss": None}]:
        if "loss" in row:
            stretch.append(row)
        elif stretch:
            points.append((stretch[-1]["step"], statistics.fmean(row["loss"] for row in stretch)))
            stretch = []
    return points


def draw_cost(shown: Shown) -> Figure:
    """The score on the test samples against what the training took: time, memory, and energy where it was measured."""
    panels: list[tuple[str, list[float] | list[float | None]]] = [_times(shown.costs), _memories(shown.costs)]
    energies = [None if cost.energy_joules is None else cost.energy_joules / 3.6e6 for cost in shown.costs]
    if any(energy is not None for energy in energies):
        panels.append(("energy (kWh)", energies))
    tests = [comparisons.test for comparisons in shown.comparisons]
    figure = Figure(figsize=(0.5 + 2.1 * len(panels), 0.7 + 2.0 * len(tests)))
    axes = figure.subplots(len(tests), len(panels), sharex="col", sharey="row", squeeze=False)
    for row, test in zip(axes, tests, strict=True):
        for axis, (_, values) in zip(row, panels, strict=True):
            _draw_points(axis, shown, test, values)
        row[0].set_ylabel(f"{shown.label} ({test if len(tests) > 1 else 'test samples'})")
    for axis, (label, values) in zip(axes[-1], panels, strict=True):
        axis.set_xlabel(label)
        axis.set_xlim(0, 1.1 * max(value for value in values if value is not None))
    draw_legend(figure, {name: look | POINT for name, look in legend_entries(shown.records).items()})
    return figure


def _draw_points(axis: Axes, shown: Shown, test: str, values: Sequence[float | None]) -> None:
    """The score of each run on one test set against one value of its training."""
    for record, look, value in zip(shown.records, looks_of(shown.records), values, strict=True):
        score = record.tests[test].summary.scores[shown.metric] if test in record.tests else None
        if value is not None and score is not None:
            axis.plot(value, score, **look | POINT)
    axis.margins(y=0.12)


def _times(costs: Sequence[TrainingCost]) -> tuple[str, list[float]]:
    """Label and values of the training time."""
    unit, divisor = ("hours", 3600) if max(cost.seconds for cost in costs) >= 3600 else ("minutes", 60)
    what = f"GPU {unit}" if _memory_of(costs) == "GPU" else unit
    return f"training time ({what})", [cost.seconds / divisor for cost in costs]


def _memories(costs: Sequence[TrainingCost]) -> tuple[str, list[float]]:
    """Label and values of the peak memory."""
    return f"peak {_memory_of(costs)} memory (GiB)", [cost.peak_memory.bytes / 2**30 for cost in costs]


def _memory_of(costs: Sequence[TrainingCost]) -> str:
    return "/".join(sorted({cost.peak_memory.of for cost in costs}))


FIGURES: Mapping[str, Callable[[Shown], Figure]] = {
    "figure1": draw_figure1,
    "figure2": draw_figure2,
    "losses": draw_losses,
    "cost": draw_cost,
    "dumbbell": draw_dumbbell,
    "forest": draw_forest,
    "languages": draw_languages,
    "lengths": draw_lengths,
    "matrix": draw_matrix,
}
