"""A grid of panels, one per system: models in columns, what is done to them in rows, the same axes for all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from codetune.report.flags import FLAG
from codetune.report.looks import Look, by_model, by_treatment, lines_of
from codetune.report.shown import Shown
from codetune.study.runs import System

KEPT: Look = {"marker": "*", "markersize": 5.5, "color": "black", "linestyle": ""}  # no model has a star
Panels = npt.NDArray[Any]


def title_of(shown: Shown, model: str, systems: Sequence[System]) -> str:
    """What stands above the panels of a model, in lines that are no wider than these."""
    longest = 14 if len(by_model(shown.systems)) > 3 else 28
    is_alone = len(shown.looks.trained) == 1
    return shown.looks.name(systems[0], longest) if is_alone else shown.looks.model(model, longest)


def height_of_titles(shown: Shown) -> float:
    """Height of what stands above the panels, in inches."""
    return 0.13 * lines_of([title_of(shown, *one) for one in by_model(shown.systems).items()])


def draw_grid(part: FigureBase, shown: Shown, draw: Callable[[Axes, System, Look], None]) -> Panels:
    """Draws a panel for each system of a page, with the model's name above its column and the method's beside its row.

    Args:
        part: Where to draw.
        shown: The page.
        draw: Draws a system with its look into its panel.

    Returns:
        The panels, which share both axes; those of systems that do not exist are empty and hidden.
    """
    models, treatments = by_model(shown.systems), list(by_treatment(shown.systems))
    axes = part.subplots(len(treatments), len(models), sharex=True, sharey=True, squeeze=False)
    for column, (name, systems) in zip(axes.T, models.items(), strict=True):
        column[0].set_title(title_of(shown, name, systems), fontsize=7)
        own = {(system.data, system.method): system for system in systems}
        for axis, treatment in zip(column, treatments, strict=True):
            if system := own.get(treatment):
                draw(axis, system, shown.looks.of(system))
                if system in shown.looks.marked and len(shown.looks.trained) > 1:
                    axis.annotate(FLAG, (0.97, 0.97), xycoords="axes fraction", ha="right", va="top", fontsize=8)
            else:
                axis.set_visible(False)
    for row, treatment in zip(axes, treatments, strict=True):
        if len(shown.looks.trained) > 1:
            row[0].set_ylabel(shown.looks.treatment(treatment, 13), fontsize=7)
    axes[0][0].xaxis.set_major_locator(MaxNLocator(3 if len(models) > 3 else 6))
    axes[0][0].yaxis.set_major_locator(MaxNLocator(3 if len(treatments) > 1 else 5))
    return axes


def mark_kept(axis: Axes, places: Sequence[float]) -> None:
    """Marks on the lower edge of a panel where the checkpoints of a system's seeds lie that are its result."""
    places = sorted(set(places))
    axis.plot(places, [0.0] * len(places), transform=axis.get_xaxis_transform(), clip_on=False, zorder=5, **KEPT)


def kept_entries() -> dict[str, Look]:
    """The legend's entry of these marks."""
    return {"kept checkpoint of a seed": KEPT}
