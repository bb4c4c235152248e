"""Figure 1: what training used. A row per system, a panel per kind of cost."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from codetune.report.costs import Cost, training_costs
from codetune.report.looks import GREY, by_model, lines_of, spread_of
from codetune.report.sheet import FULL, SMALL, new_sheet, short_number
from codetune.report.shown import Shown
from codetune.study.runs import System

ROW, LINE = 0.2, 0.11  # height of a row where there are few, and of a line of its name, in inches
MOST = 7.7  # height of all rows, in inches
NAME = 30  # characters of a line of a name


def draw_figure1(shown: Shown) -> Figure:
    """Draws the costs of a page's systems, with the range over seeds, in rows grouped by model."""
    rows = _rows(shown)
    costs = training_costs(shown.study)
    lines = sum(lines_of([name]) for name, _ in rows)
    height = max(LINE * lines, min(ROW * len(rows), MOST))
    figure = new_sheet(FULL, 0.55 + height, shown.looks.flag_entries(shown.systems))
    axes = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axis, cost in zip(axes, costs.values(), strict=True):
        _draw(axis, shown, rows, cost)
    axes[0].set_yticks(range(len(rows)), [name for name, _ in rows])
    for label, (_, system) in zip(axes[0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("normal" if system else "bold")
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    return figure


def _rows(shown: Shown) -> list[tuple[str, System | None]]:
    """Name and system of each row; the row with a model's name alone has none."""
    if len(shown.looks.trained) == 1:
        return [(shown.looks.name(system, NAME), system) for system in shown.systems]
    rows: list[tuple[str, System | None]] = []
    for model, systems in by_model(shown.systems).items():
        rows += [(shown.looks.model(model, NAME), None), *((shown.looks.method(one, NAME), one) for one in systems)]
    return rows


def _draw(axis: Axes, shown: Shown, rows: Sequence[tuple[str, System | None]], cost: Cost) -> None:
    """Draws one kind of cost: a line from zero to the mean over seeds, its number, and the range of the seeds."""
    highest = max(cost.value_of(record.training.cost) for record in shown.study if record.training is not None)
    for place, (_, system) in enumerate(rows):
        if system is None:
            continue
        trainings = [record.training for record in shown.seeds[system] if record.training is not None]
        mean, low, high = spread_of([cost.value_of(training.cost) for training in trainings])
        look = shown.looks.of(system)
        axis.plot([0, mean], [place, place], markevery=[1], label=shown.looks.name(system), **look)
        if high > low:
            axis.plot([low, high], [place, place], color=GREY, marker="|", markersize=4, linewidth=0.7)
        axis.annotate(
            short_number(mean), (high, place), (5, 0), textcoords="offset points", va="center", fontsize=SMALL
        )
    axis.set_xlabel(cost.label)
    axis.set_xlim(0, 1.35 * highest)
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
