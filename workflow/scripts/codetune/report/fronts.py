"""The figure of costs: the score against what it takes to get it, and who gives most for it: the Pareto front."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from codetune.evaluation.comparisons import Comparisons
from codetune.report.costs import Cost, training_costs
from codetune.report.looks import GREY, PALE, Look, Spread, by_treatment, spread_of
from codetune.report.sheet import FULL, SMALL, new_sheet
from codetune.report.shown import Shown
from codetune.study.figures import Treatment
from codetune.study.record import Record
from codetune.study.runs import System

FRONT: Look = {"color": GREY, "linewidth": 0.8, "linestyle": "-", "drawstyle": "steps-post"}
OTHERS: Look = {"color": PALE, "marker": ".", "markersize": 3, "linestyle": ""}
POINT = 4.5  # size of a system's mark, in points


class Place(NamedTuple):
    """Where a system lies in a panel.

    Attributes:
        cost: Over its seeds.
        score: Over its seeds.
        interval: Of the score; None where there is none.
    """

    cost: Spread
    score: float
    interval: list[float] | None


Cell = tuple[Treatment, str]  # what a panel shows: a treatment, and the label of a kind of cost
Places = Mapping[System, Place]


def draw_cost(shown: Shown) -> Figure:
    """Draws a row of panels per method, a panel per kind of cost: the page's systems, and their models untuned.

    Untuned models cost no training. All panels have the front of the whole study, and its other systems in grey.
    """
    of_test = next(one for one in shown.comparisons if one.test == shown.page.view)
    panels = _panels(shown, of_test)
    rows = by_treatment(shown.systems)
    grid = _grid(rows, list(panels))
    size = 2.3 if len(rows) == 1 else 1.7 if len(rows) <= 3 else 1.25
    figure = new_sheet(FULL, 0.7 + size * len(grid), _entries(shown))
    axes = figure.subplots(len(grid), len(grid[0]), sharey=True, squeeze=False)
    for number, (row, cells) in enumerate(zip(axes, grid, strict=True), start=1):
        for axis, cell in zip(row, cells, strict=True):
            if cell is None:
                axis.set_visible(False)
                continue
            treatment, label = cell
            _draw(axis, shown, panels[label], rows[treatment])
            if len(rows) == 1 or number == len(grid):
                axis.set_xlabel(label if len(rows) == 1 else label.replace(" (", "\n("))
            axis.xaxis.set_major_locator(MaxNLocator(5, prune="upper"))
        if len(rows) > 1:
            row[0].set_ylabel(shown.looks.treatment(cells[0][0], 18) if cells[0] else "")
    where = shown.page.view if len(shown.comparisons) > 1 else "test samples"
    figure.supylabel(f"{shown.label} ({where})", fontsize=7.5)
    return figure


def _grid(
    rows: Mapping[Treatment, Sequence[System]], labels: Sequence[str]
) -> list[list[tuple[Treatment, str] | None]]:
    """Treatment and kind of cost of each panel: a row per treatment, or two rows for a single one."""
    if len(rows) > 1:
        return [[(treatment, label) for label in labels] for treatment in rows]
    (treatment,) = rows
    cells: list[Cell | None] = [(treatment, label) for label in labels]
    half = (len(cells) + 1) // 2
    return [cells[:half], [*cells[half:], *([None] * (2 * half - len(cells)))]]


def _entries(shown: Shown) -> dict[str, Look]:
    """The legend: models, what stands for untuned ones, the front, and all else."""
    untuned = [one for one in shown.looks.treatments if one not in shown.looks.trained and _has_model(shown, one)]
    models = [system for system in shown.looks.systems if system.model in _models(shown)]
    entries = {name: look | {"markersize": POINT} for name, look in shown.looks.model_entries(models).items()}
    entries |= {shown.looks.treatment(one): shown.looks.of_treatment(one) | {"markersize": POINT} for one in untuned}
    entries |= {"Pareto front": FRONT}
    if len(shown.looks.trained) > 1 or len(_models(shown)) < len(shown.looks.models):
        entries |= {"other systems": OTHERS}
    return entries | shown.looks.flag_entries(shown.systems)


def _has_model(shown: Shown, treatment: Treatment) -> bool:
    found = (seeds[0] for system, seeds in shown.seeds.items() if (system.data, system.method) == treatment)
    return not all(record.run.retrieves for record in found)


def _models(shown: Shown) -> list[str]:
    """The models of a page: those that are trained on it."""
    return list(dict.fromkeys(system.model for system in shown.systems))


def _panels(shown: Shown, of_test: Comparisons) -> dict[str, Places]:
    """Label and places of each panel, all systems of the study in it."""
    costs = training_costs(shown.study)
    panels = {
        cost.label: _places(shown, of_test, _of_training(cost)) for name, cost in costs.items() if name != "speed"
    }

    def of_generation(record: Record) -> float:
        facts = record.tests[of_test.test].generation
        assert facts is not None
        return facts.seconds / max(1, facts.prompts)

    return panels | {"generation (seconds per sample)": _places(shown, of_test, of_generation)}


def _of_training(cost: Cost) -> Callable[[Record], float]:
    return lambda record: cost.value_of(record.training.cost) if record.training is not None else 0.0


def _places(shown: Shown, of_test: Comparisons, value_of: Callable[[Record], float]) -> Places:
    """Where the systems of the study with a model lie that have a score on the test set."""
    found = {}
    for system, seeds in shown.seeds.items():
        evaluated = [record for record in seeds if of_test.test in record.tests]
        if evaluated and not evaluated[0].run.retrieves:
            score = of_test.score_of(system, shown.metric)
            if score.score is not None:
                found[system] = Place(
                    spread_of([value_of(record) for record in evaluated]), score.score, score.interval
                )
    return found


def _draw(axis: Axes, shown: Shown, places: Places, systems: Sequence[System]) -> None:
    """Draws one panel: the systems of a treatment and their models untuned; the front and the others behind them."""
    if not places:
        axis.annotate("no sample has a value", (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=SMALL)
        return
    models = {system.model for system in systems}
    tuned = shown.looks.tuned
    own = {one: place for one, place in places.items() if one in systems or (one.model in models and one not in tuned)}
    others = [place for one, place in places.items() if one not in own]
    axis.plot([place.cost.mean for place in others], [place.score for place in others], **OTHERS)
    front = pareto_front([(place.cost.mean, place.score) for place in places.values()])
    widest = max(place.cost.high for place in places.values())
    axis.plot(*zip(*front, (1.08 * widest or 1.0, front[-1][1]), strict=True), **FRONT)
    for system, (cost, score, interval) in own.items():
        look = shown.looks.of(system)
        if interval is not None:
            axis.plot([cost.mean] * 2, interval, color=look["color"], linewidth=0.7)
        if cost.high > cost.low:
            axis.plot([cost.low, cost.high], [score] * 2, color=look["color"], linewidth=0.7)
        point = look | {"linestyle": "", "markersize": POINT, "zorder": 3}
        axis.plot(cost.mean, score, clip_on=False, label=shown.looks.name(system), **point)
    axis.set_xlim(-0.05 * widest, 1.08 * widest or 1.0)
    ends = [end for place in places.values() for end in (place.score, *(place.interval or ()))]
    margin = 0.05 * (max(ends) - min(ends)) or 0.05
    axis.set_ylim(min(ends) - margin, max(ends) + margin)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points than which no other costs as little or less and scores as high or higher, by ascending cost.

    Args:
        points: Cost and score of each system.
    """
    front: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or score > front[-1][1]:
            front.append((cost, score))
    return front
