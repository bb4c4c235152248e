"""The numbers of a study by name: those of its sentences and, system by system, those of its tables.

A name has parts with dots between them, and stays the same when a study grows: `scores.<test>.<model>.<method>.gain`.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from codetune.base.files import Row, reading
from codetune.report.finding import Finding, Material
from codetune.report.format import format_millions, format_number, format_p, format_percent, format_signed, format_whole
from codetune.report.rows import EvaluatedSystem
from codetune.report.writing import text_of_csv
from codetune.study.runs import NONE, System

SIGNIFICANT = 3  # digits of times, memory and energy
# What is quoted of a row of a table: the name, the column, what it is divided by, and how it is printed.
SETTINGS = (
    *(("batch_size", "batch_size"), ("epochs", "epochs"), ("learning_rate", "learning_rate"), ("rank", "rank")),
    *(("patience", "patience"), ("trainable", "trainable"), ("trainable_percent", "trainable_percent")),
    *(("steps", "steps_packed"), ("steps_unpacked", "steps_unpacked")),
)
COSTS = (
    ("training_hours", "training_seconds", 3600.0),
    ("search_hours", "search_seconds", 3600.0),
    ("training_tokens_per_second", "training_tokens_per_second", 1.0),
    ("training_kwh", "training_joules", 3.6e6),
    ("training_memory_gib", "training_memory", 2.0**30),
    ("generation_minutes", "generation_seconds", 60.0),
    ("generation_tokens_per_second", "generation_tokens_per_second", 1.0),
    ("generation_memory_gib", "generation_memory", 2.0**30),
    ("disk_mb", "tuned_bytes", 1e6),
)


@dataclass(frozen=True)
class Quoted:
    """A number, or a verdict.

    Attributes:
        value: In full precision.
        text: As it is printed.
        files: What it follows from: paths, or patterns of paths.
    """

    value: float | str
    text: str
    files: Sequence[str] = ()


Numbers = dict[str, Quoted]


def numbers_of_findings(findings: Iterable[Finding]) -> Numbers:
    """All numbers of sentences."""
    return {
        name: Quoted(number.value, number.text, tuple(one.files))
        for one in findings
        for name, number in one.numbers.items()
    }


def name_of(first: str, system: System, *parts: str) -> str:
    """The name of what is quoted of a system; training data are named where they are not those of the test set.

    Args:
        first: Begins the name: what kind of thing is quoted.
        system: The system.
        parts: The test set, or nothing.
    """
    data = [system.data] if system.data not in (NONE, *parts) else []
    return ".".join([first, *parts, *data, system.model, system.method])


def numbers_of_scores(material: Material) -> Numbers:
    """The score of every system on every test set with its gain over the better baseline, as written and on code."""
    found: Numbers = {}
    for one in material.evaluated:
        files = tuple(material.files(one.test))
        for key, value, text in _of_system(one, material):
            if value is not None and text is not None:
                found[f"{name_of('scores', one.system, one.test)}.{key}"] = Quoted(value, text, files)
    return found


def _of_system(one: EvaluatedSystem, material: Material) -> Iterator[tuple[str, float | str | None, str | None]]:
    """Names, values and texts of all that is quoted of a system on a test set."""
    digits, summaries = material.digits + 1, one.summaries
    for metric, suffix in ((material.metric, ""), (material.on_code, "_on_code")):
        if metric is None:
            continue
        score, gain = one.score(metric), one.gain(metric)
        numbers = {"": score.score, "_low": score.ends[0], "_high": score.ends[1], "_deviation": score.deviation}
        for end, value in numbers.items():
            yield f"score{suffix}{end}", value, format_number(value, digits)
        if gain is not None:
            for end, value in {"": gain.gain, "_low": gain.ends[0], "_high": gain.ends[1]}.items():
                yield f"gain{suffix}{end}", value, format_signed(value, digits)
            yield f"p{suffix}", gain.p_holm, format_p(gain.p_holm)
            yield f"verdict{suffix}", gain.verdict, gain.verdict
            yield f"over{suffix}", gain.over.method, gain.over.method
    yield "seeds", len(one.records), str(len(one.records))
    yield "samples", summaries[0].samples, format_whole(summaries[0].samples)
    for name, shares in (("truncated", [of.truncated for of in summaries]), ("empty", [of.empty for of in summaries])):
        yield f"{name}_percent", 100 * fmean(shares), format_number(100 * fmean(shares), 1)


@dataclass(frozen=True)
class SystemRow:
    """A row of a table that has one per system.

    Attributes:
        system: The system.
        label: Of its model.
        cells: Its cells, as the CSV has them.
        numbers: What is quoted of it, by the last part of its name.
    """

    system: System
    label: str
    cells: Mapping[str, str]
    numbers: Mapping[str, Quoted]


def read_settings(path: str, models: Mapping[str, str]) -> list[SystemRow]:
    """Reads Table 1.

    Args:
        path: Its CSV.
        models: The name of each model by its label.

    Raises:
        StudyError: The file is damaged.
    """
    return [_system_row(row, path, models, _settings(row)) for row in read_table(path)]


def read_costs(path: str, models: Mapping[str, str]) -> list[SystemRow]:
    """Reads the table of costs, in the same way."""
    return [_system_row(row, path, models, _costs(row)) for row in read_table(path)]


def read_table(path: str) -> list[dict[str, str]]:
    """Reads the CSV of a table; an empty cell is an empty text.

    Raises:
        StudyError: The file is damaged.
    """
    with reading(path), Path(path).open(encoding="utf-8", newline="") as stream:
        return [{name: text_of_csv(cell) for name, cell in row.items()} for row in csv.DictReader(stream, strict=True)]


def numbers_of_rows(first: str, rows: Iterable[SystemRow]) -> Numbers:
    """All that is quoted of these rows."""
    return {f"{name_of(first, row.system)}.{key}": one for row in rows for key, one in row.numbers.items()}


def _system_row(
    row: Mapping[str, str], path: str, models: Mapping[str, str], values: Iterable[tuple[str, float, str | None]]
) -> SystemRow:
    with reading(path):
        system = System(row["data"], models[row["model"]], row["method"])
        numbers = {name: Quoted(value, text, (path,)) for name, value, text in values if text is not None}
        return SystemRow(system, row["model"], row, numbers)


def _settings(row: Mapping[str, str]) -> Iterator[tuple[str, float, str | None]]:
    for name, column in SETTINGS:
        if row[column]:
            value = float(row[column])
            text = {
                "learning_rate": format_rate(value),
                "trainable": format_millions(value),
                "trainable_percent": format_percent(value),
            }.get(name, format_whole(value))
            yield name, _whole(value), text


def _costs(row: Mapping[str, str]) -> Iterator[tuple[str, float, str | None]]:
    for name, column, divisor in COSTS:
        if row[column]:
            value = float(row[column]) / divisor
            yield name, value, format_measure(value)


def format_measure(value: float) -> str:
    """A time, an amount of memory or of energy, with three digits that say something, or all before the point."""
    decimals = SIGNIFICANT - 1 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, decimals)}f}"


def format_rate(value: float) -> str:
    """A learning rate without an exponent."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def slug(text: str) -> str:
    """A text as a part of a name: letters and digits of ASCII in lower case, with `_` between words."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def numbers_of_claims(path: str) -> Numbers:
    """How many of the paper's claims about each subject have each verdict."""
    counts: dict[str, int] = {}
    for row in read_table(path):
        with reading(path):
            name = f"audit.{slug(row['subject'])}.{slug(row['verdict'])}"
        counts[name] = counts.get(name, 0) + 1
    return {name: Quoted(count, str(count), (path,)) for name, count in counts.items()}


def plain_numbers(numbers: Mapping[str, Quoted]) -> dict[str, Row]:
    """Numbers as they stand in numbers.json."""
    found: dict[str, Any] = {}
    for name, one in numbers.items():
        found[name] = {"value": one.value, "text": one.text, "files": list(one.files)}
    return found
