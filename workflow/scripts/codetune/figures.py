"""The paper's figures, readable in grey and at column width."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from codetune.files import atomic, read_json

# Okabe and Ito's colours, which stay apart for colour-blind readers; in grey, markers and line styles do.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", ":", "-.")
STYLE: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "codetune",
    "pdf.fonttype": 42,
}
Row = dict[str, Any]


def draw_figure1(runs: list[Row], models: dict[str, Row], records: list[str], outputs: Mapping[str, str]) -> None:
    """What training used: time, speed and memory of each tuned run (the paper's Figure 1).

    Args:
        runs: The tuned runs.
        models: The config's `models`.
        records: Path of each run's training record.
        outputs: Path for each of png, svg, pdf.
    """
    costs = [read_json(path)["cost"] for path in records]
    names = _names(runs, models)
    looks = _looks(runs, models)
    longest = max(cost["seconds"] for cost in costs)
    unit, divisor = ("hours", 3600) if longest >= 3600 else ("minutes", 60)
    memory_of = "/".join(sorted({cost["peak_memory"]["of"] for cost in costs}))
    panels = [
        (f"training time ({unit})", [cost["seconds"] / divisor for cost in costs]),
        ("tokens per second", [cost["tokens_per_second"] for cost in costs]),
        (f"peak {memory_of} memory (GiB)", [cost["peak_memory"]["bytes"] / 2**30 for cost in costs]),
    ]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.0, 0.7 + 0.28 * len(runs)), sharey=True)
        for axis, (label, values) in zip(axes, panels, strict=True):
            bars = axis.barh(names, values, height=0.65, color=[look["color"] for look in looks])
            axis.bar_label(bars, [_short(value) for value in values], padding=2, fontsize=7)
            axis.set_xlabel(label)
            axis.set_xlim(0, 1.22 * max(values))
            axis.grid(axis="y", visible=False)
        axes[0].invert_yaxis()
        _save(figure, outputs)


def draw_figure2(runs: list[Row], models: dict[str, Row], curves: list[str], outputs: Mapping[str, str]) -> None:
    """ROUGE-L of the fine-tuned models against training steps (the paper's Figure 2).

    One colour a model family, one marker and line style a model in it; step 0 is the untuned model.

    Args:
        runs: The tuned runs.
        models: The config's `models`.
        curves: Path of each run's curve.
        outputs: Path for each of png, svg, pdf.
    """
    with mpl.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(3.5, 3.1))
        for name, look, path in zip(_names(runs, models), _looks(runs, models), curves, strict=True):
            points = read_json(path)["points"]
            axis.plot([p["step"] for p in points], [p["rouge_l"] for p in points], label=name, clip_on=False, **look)
        axis.set_xlabel("training steps")
        axis.set_ylabel("ROUGE-L (validation subset)")
        axis.set_xlim(left=0)
        figure.legend(loc="outside lower center", ncols=2, fontsize=7, handlelength=3.2)
        _save(figure, outputs)


def _names(runs: list[Row], models: dict[str, Row]) -> list[str]:
    """The models' labels, with whatever else tells the runs apart."""
    others = [key for key in ("dataset", "method", "seed") if len({run[key] for run in runs}) > 1]
    return [", ".join([models[run["model"]]["label"], *(str(run[key]) for key in others)]) for run in runs]


def _looks(runs: list[Row], models: dict[str, Row]) -> list[Row]:
    """Colour by family; marker and line style by the run's place within it."""
    families = list(dict.fromkeys(models[run["model"]]["family"] for run in runs))
    seen = dict.fromkeys(families, 0)
    looks = []
    for run in runs:
        family = models[run["model"]]["family"]
        position = families.index(family)
        place = seen[family]
        seen[family] += 1
        looks.append(
            {
                "color": COLORS[position % len(COLORS)],
                "marker": MARKERS[(2 * position + place) % len(MARKERS)],
                "linestyle": LINES[place % len(LINES)],
            }
        )
    return looks


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _save(figure: Figure, outputs: Mapping[str, str]) -> None:
    """Writes the figure in all forms, without dates, so that equal data give equal bytes."""
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    for kind, path in outputs.items():
        with atomic(Path(path)) as temporary:
            figure.savefig(temporary, format=kind, dpi=300, metadata=undated[kind])
    plt.close(figure)
