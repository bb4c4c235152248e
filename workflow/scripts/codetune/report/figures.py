"""The paper's figures and two more, readable in grey and at column width."""

import statistics
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from codetune.base.files import Row, read_json, read_jsonl
from codetune.report.style import (
    POINT,
    RING,
    STYLE,
    draw_legend,
    draw_line,
    legend_entries,
    looks_of,
    names_of,
    save_figure,
    short_number,
)
from codetune.study.summaries import read_score

mpl.use("Agg")


def draw_figure1(runs: list[Row], models: dict[str, Row], records: list[str], outputs: Mapping[str, str]) -> None:
    """What training used: time, speed and memory of each tuned run (the paper's Figure 1).

    Args:
        runs: The tuned runs.
        models: The config's `models`.
        records: Path of each run's training record.
        outputs: Path for each of png, svg, pdf.
    """
    costs = [read_json(path)["cost"] for path in records]
    names = names_of(runs, models, "seed")
    looks = looks_of(runs, models)
    speed = ("tokens per second", [cost["tokens_per_second"] for cost in costs])
    panels = [_times(costs), speed, _memories(costs)]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 0.7 + 0.28 * len(runs)), sharey=True)
        for axis, (label, values) in zip(axes, panels, strict=True):
            bars = axis.barh(names, values, height=0.65, color=[look["color"] for look in looks])
            axis.bar_label(bars, [short_number(value) for value in values], padding=2, fontsize=7)
            axis.set_xlabel(label)
            axis.set_xlim(0, 1.22 * max(values))
            axis.grid(axis="y", visible=False)
        axes[0].invert_yaxis()
        save_figure(figure, outputs)


def draw_figure2(runs: list[Row], models: dict[str, Row], curves: list[str], outputs: Mapping[str, str]) -> None:
    """ROUGE-L of the fine-tuned models against training steps (the paper's Figure 2).

    Step 0 is the untuned model. The bands are 95 % intervals over the samples; all curves are of the same samples, so
    that two curves may differ though their bands overlap.

    Args:
        runs: The tuned runs.
        models: The config's `models`.
        curves: Path of each run's curve.
        outputs: Path for each of png, svg, pdf.
    """
    with mpl.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(3.5, 3.1))
        for look, path in zip(looks_of(runs, models), curves, strict=True):
            points = [(point["step"], point["scores"]["rouge_l"]) for point in read_json(path)["points"]]
            draw_line(axis, [(step, score["score"]) for step, score in points], look)
            low, high = zip(*(score["interval"] for _, score in points), strict=True)
            axis.fill_between([step for step, _ in points], low, high, color=look["color"], alpha=0.12, linewidth=0)
        axis.set_xlabel("training steps")
        axis.set_ylabel("ROUGE-L (validation subset)")
        axis.set_xlim(left=0)
        draw_legend(figure, legend_entries(runs, models))
        save_figure(figure, outputs)


def draw_losses(runs: list[Row], models: dict[str, Row], logs: list[str], outputs: Mapping[str, str]) -> None:
    """Training and validation loss of the tuned runs against training steps.

    The training loss is the mean over the steps since the last evaluation. A ring marks the lowest validation loss,
    where the adapter is kept. Losses are per token: those of models with different tokenizers do not compare.

    Args:
        runs: The tuned runs.
        models: The config's `models`.
        logs: Path of each run's training log.
        outputs: Path for each of png, svg, pdf.
    """
    with mpl.rc_context(STYLE):
        figure, (above, below) = plt.subplots(2, 1, figsize=(3.5, 4.4), sharex=True)
        for look, path in zip(looks_of(runs, models), logs, strict=True):
            log = read_jsonl(path)
            validation = [(row["step"], row["eval_loss"]) for row in log if "eval_loss" in row]
            draw_line(above, mean_losses(log), look)
            draw_line(below, validation, look)
            best = min((point for point in validation if point[0] > 0), key=lambda point: point[1])
            below.plot(*best, **RING | {"color": look["color"]}, clip_on=False)
        above.set_ylabel("training loss\n(nats per token)")
        below.set_ylabel("validation loss\n(nats per token)")
        below.set_xlabel("training steps")
        below.set_xlim(left=0)
        draw_legend(figure, legend_entries(runs, models) | {"lowest: adapter kept": RING})
        save_figure(figure, outputs)


def mean_losses(log: list[Row]) -> list[tuple[int, float]]:
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


def draw_cost(
    runs: list[Row], models: dict[str, Row], records: list[str], summaries: list[str], outputs: Mapping[str, str]
) -> None:
    """ROUGE-L on the test samples against what the training took: time, memory, and energy where it was measured.

    Args:
        runs: The tuned runs.
        models: The config's `models`.
        records: Path of each run's training record.
        summaries: Path of each run's summary of scores.
        outputs: Path for each of png, svg, pdf.
    """
    costs = [read_json(path)["cost"] for path in records]
    scores = [read_score(path) for path in summaries]
    panels: list[tuple[str, list[float | None]]] = [_times(costs), _memories(costs)]
    energies = [cost["energy_joules"] / 3.6e6 if "energy_joules" in cost else None for cost in costs]
    if any(energy is not None for energy in energies):
        panels.append(("energy (kWh)", energies))
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(panels), figsize=(0.5 + 2.1 * len(panels), 2.7), sharey=True)
        for axis, (label, values) in zip(axes, panels, strict=True):
            for look, value, score in zip(looks_of(runs, models), values, scores, strict=True):
                if value is not None:
                    axis.plot(value, score, **look | POINT)
            axis.set_xlabel(label)
            axis.set_xlim(0, 1.1 * max(value for value in values if value is not None))
            axis.margins(y=0.12)
        axes[0].set_ylabel("ROUGE-L (test samples)")
        draw_legend(figure, {name: look | POINT for name, look in legend_entries(runs, models).items()})
        save_figure(figure, outputs)


def draw_forest(
    runs: list[Row], models: dict[str, Row], significance: str, metric: str, outputs: Mapping[str, str]
) -> None:
    """Gain of each tuned model over its untuned self, with its 95 % interval; hollow where that holds zero.

    Args:
        runs: The tuned runs.
        models: The config's `models`.
        significance: Path of the gains and intervals.
        metric: Name of the metric.
        outputs: Path for each of png, svg, pdf.
    """
    found = read_json(significance)
    gains = {(e["dataset"], e["model"], e["method"]): e for e in found["gains"] if e["metric"] == metric}
    named = {(run["dataset"], run["model"], run["method"]): (name, look)
             for run, name, look in zip(runs, names_of(runs, models), looks_of(runs, models), strict=True)}  # fmt: skip
    rows = [(*named[key], gain) for key, gain in gains.items() if key in named]
    with mpl.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(3.5, 0.8 + 0.28 * max(len(rows), 1)))
        for place, (_, look, gain) in enumerate(rows):
            low, high = gain["interval"]
            axis.plot([low, high], [place, place], color=look["color"], linewidth=1.6)
            face = "white" if low <= 0 <= high else look["color"]
            axis.plot(
                gain["gain"], place, marker=look["marker"], markersize=5.5, color=look["color"], markerfacecolor=face
            )
        axis.axvline(0, color="#555555", linewidth=0.8)
        axis.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel(f"gain in {found['metrics'][metric]['label']} by tuning")
        save_figure(figure, outputs)


def _times(costs: list[Row]) -> tuple[str, list[Any]]:
    """Label and values of the training time."""
    unit, divisor = ("hours", 3600) if max(cost["seconds"] for cost in costs) >= 3600 else ("minutes", 60)
    what = f"GPU {unit}" if _memory_of(costs) == "GPU" else unit
    return f"training time ({what})", [cost["seconds"] / divisor for cost in costs]


def _memories(costs: list[Row]) -> tuple[str, list[Any]]:
    """Label and values of the peak memory."""
    return f"peak {_memory_of(costs)} memory (GiB)", [cost["peak_memory"]["bytes"] / 2**30 for cost in costs]


def _memory_of(costs: list[Row]) -> str:
    return "/".join(sorted({cost["peak_memory"]["of"] for cost in costs}))
