"""A table in a paper's own layout: for each number that the paper declares the one of this study."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from codetune.base.files import Row
from codetune.evaluation.comparisons import Comparisons
from codetune.papers.places import in_units_of, runs_of
from codetune.papers.printed import parse_printed
from codetune.report.cells import table_of
from codetune.report.format import format_number
from codetune.report.writing import write_forms
from codetune.study.declared_tables import DeclaredTable, Value
from codetune.study.model import Source
from codetune.study.record import Record
from codetune.study.runs import NONE
from codetune.study.sizes import SizeFacts

GIB = 2**30
DIGITS = 2  # decimals of ours, where the paper prints none in a column
Ours = tuple[float | None, float | None, float | None]  # a value, and the ends of its interval
NOTHING: Ours = (None, None, None)


@dataclass(frozen=True)
class Here:
    """What this study has of a paper's table.

    Attributes:
        records: Of all runs.
        comparisons: Of all test sets.
        sizes: How much methods train of each model.
        datasets: Where each data set comes from, as far as it is whole.
    """

    records: Sequence[Record]
    comparisons: Sequence[Comparisons]
    sizes: Sequence[SizeFacts]
    datasets: Mapping[str, Source]


def declared_table(table: DeclaredTable, here: Here) -> pd.DataFrame:
    """The paper's table, with this study's numbers in the paper's units.

    Args:
        table: What the paper declares.
        here: What this study has.

    Returns:
        A row per model and method in the paper's order; for each test set and column `<test>_<column>` with the endings
        `_paper` (as printed), `_here`, `_low` and `_high`.
    """
    rows: list[Row] = []
    for model, method in table.rows:
        row: Row = {"model": model, "method": method}
        for test, column in _places(table):
            name = f"{test}_{column}"
            value = table.value_of(model, method, test, column)
            runs = runs_of(here.records, model, method, test, table.data)
            ours = _ours(table, here, runs, test, column)
            row |= {f"{name}_paper": None if value is None else str(value)}
            row |= {f"{name}_{end}": one for end, one in zip(("here", "low", "high"), ours, strict=True)}
        rows.append(row)
    return table_of(rows)


def _places(table: DeclaredTable) -> Iterator[tuple[str, str]]:
    return ((test, column) for test in table.tests for column in table.columns)


def _ours(table: DeclaredTable, here: Here, runs: Sequence[Record], test: str, column: str) -> Ours:
    """This study's number in one place, with its interval, in the paper's units."""
    if not runs:
        return NOTHING
    if table.columns[column].scale is None:
        return FACTS[column](runs, here.sizes), None, None
    of_test = next((one for one in here.comparisons if one.test == test), None)
    times = None if of_test is None else in_units_of(table.columns[column], column, of_test)
    if of_test is None or times is None:
        return NOTHING
    score = of_test.score_of(runs[0].run.system, column)
    if score.score is None:
        return NOTHING
    low, high = score.ends
    return score.score * times, None if low is None else low * times, None if high is None else high * times


def _trained(runs: Sequence[Record], _sizes: Sequence[SizeFacts]) -> float | None:
    return next((float(one.training.trainable_parameters) for one in runs if one.training), None)


def _trained_percent(runs: Sequence[Record], sizes: Sequence[SizeFacts]) -> float | None:
    run = runs[0].run
    methods = next((one.methods for one in sizes if one.model == run.model), {})
    return methods[run.method].percent if run.method in methods else None


def _memory_gb(runs: Sequence[Record], _sizes: Sequence[SizeFacts]) -> float | None:
    peaks = [record.training.cost.peak_memory.bytes for record in runs if record.training]
    return max(peaks) / GIB if peaks else None


# What columns hold that are no scores.
FACTS: Mapping[str, Callable[[Sequence[Record], Sequence[SizeFacts]], float | None]] = {
    "trained": _trained,
    "trained_percent": _trained_percent,
    "memory_gb": _memory_gb,
}


def write_declared(table: DeclaredTable, paper: Row, here: Here, outputs: Mapping[str, str]) -> None:
    """Writes the table: in the first panel the paper's first test set, in one more each other one.

    Args:
        table: What the paper declares.
        paper: The paper's file.
        here: What this study has.
        outputs: Path for each of csv, md, tex.
    """
    found = declared_table(table, here)
    names = {model: paper["models"][model]["name"] for model in table.models}
    shown: dict[str, Any] = {"Model": found["model"].map(names), "Method": found["method"]}
    panels: dict[str, list[str]] = {}
    for test, column in _places(table):
        label = table.columns[column].label + (f" on {test}" if len(table.tests) > 1 else "")
        cells = _cells(found, f"{test}_{column}", table.column(test, column))
        shown |= {f"{label}, paper": found[f"{test}_{column}_paper"], f"{label}, here": cells}
        panels.setdefault(test, []).extend([f"{label}, paper", f"{label}, here"])
    title = f"{_title_of(table)}: {table.title}"
    more = {test: columns for test, columns in panels.items() if test != table.tests[0]}
    write_forms(found, pd.DataFrame(shown), title, _note(table, paper, here), outputs, more)


def _title_of(table: DeclaredTable) -> str:
    return f"The paper's table {table.name}"


def _cells(found: pd.DataFrame, name: str, printed: Sequence[Value]) -> list[str | None]:
    """This study's numbers of a column, with at most as many decimals as the paper's, and intervals in brackets."""
    halves = [parse_printed(value)[1] for value in printed]
    digits = max(0, -math.floor(math.log10(2 * min(halves)) + 0.5)) if halves else DIGITS
    cells = []
    for _, row in found.iterrows():
        value, low, high = (format_number(row[f"{name}_{end}"], digits) for end in ("here", "low", "high"))
        cells.append(value if value is None or low is None else f"{value} ({low} to {high})")
    return cells


def _note(table: DeclaredTable, paper: Row, here: Here) -> str:
    """What stands in the columns, and what of this study is not the paper's."""
    authors = ", ".join(paper["authors"])
    text = f"Paper: {authors}, \u201c{paper['title']}\u201d, as printed. Here: this study, in the paper's units"
    scores = [name for name, column in table.columns.items() if column.scale is not None]
    text += ", with 95 % intervals in brackets." if scores else "."
    if table.missing:
        text += f" A dash of the paper's: {table.missing}."
    others = sorted({one.model.label for one in _used(table, here) if not _is_genuine(one, paper)})
    if others:
        text += f" Not known to be the paper's checkpoints: {', '.join(others)}."
    data = [name for name in table.tests if name != NONE and not _is_its(name, paper, here)]
    if data:
        text += f" Not known to be the paper's data: {', '.join(data)}."
    facts = {name: one for of_test in here.comparisons for name, one in of_test.metrics.items() if name in scores}
    if facts:
        text += f" Metrics here: {'; '.join(one.words for one in facts.values())}."
    return text + (" Memory here is in GB of 2^30 bytes." if "memory_gb" in table.columns else "")


def _used(table: DeclaredTable, here: Here) -> list[Record]:
    """The runs whose numbers stand in the table."""
    places = [(*row, test, table.data) for row in table.rows for test in table.tests]
    return [record for place in places for record in runs_of(here.records, *place)]


def _is_genuine(record: Record, paper: Row) -> bool:
    return record.model.source.is_repository(paper["models"][record.run.model]["repo"])


def _is_its(data: str, paper: Row, here: Here) -> bool:
    return data in here.datasets and here.datasets[data].is_repository(paper["datasets"][data]["repo"])
