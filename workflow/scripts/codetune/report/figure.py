"""Rule figure: pages of the paper's figures and of more, readable in grey and in print."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from codetune.evaluation.comparisons import read_comparisons
from codetune.report.class_gains import draw_languages, draw_lengths
from codetune.report.dumbbell import draw_dumbbell
from codetune.report.figure1 import draw_figure1
from codetune.report.figure2 import draw_figure2
from codetune.report.forest import draw_forest
from codetune.report.fronts import draw_cost
from codetune.report.losses import draw_losses
from codetune.report.matrix import draw_matrix
from codetune.report.outcomes import draw_execution
from codetune.report.sheet import STYLE, save_figure
from codetune.report.shown import Shown, show
from codetune.study.declared import read_paper
from codetune.study.records import read_records


def draw_figure(name: str, inputs: Mapping[str, Any], metric: str, outputs: Mapping[str, str]) -> None:
    """Draws a page of a figure.

    Args:
        name: Of the page: that of one of `FIGURES`, with a letter where that has several.
        inputs: `records` of all runs; `comparisons`, one per test set; `paper`, what the paper declares.
        metric: Name of the metric that they show.
        outputs: Path for each of png, svg, pdf.
    """
    comparisons = [read_comparisons(path) for path in inputs.get("comparisons", [])]
    records = read_records(inputs["records"])
    shown = replace(show(name.partition("-")[0], records, comparisons, metric)[name], paper=read_paper(inputs["paper"]))
    with mpl.rc_context(STYLE):
        save_figure(FIGURES[shown.page.figure](shown), outputs)


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
    "execution": draw_execution,
}
