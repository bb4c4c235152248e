"""The scores of single samples, as rule `score` wrote them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN, Row, read_jsonl, reading
from codetune.base.plain import from_plain
from codetune.evaluation.bootstrap import Array, in_few_bytes
from codetune.evaluation.measures import Measures, all_statistics, measures_of, metrics_of
from codetune.evaluation.passes import Executed
from codetune.evaluation.registry import metrics


@dataclass(frozen=True)
class _ScoredSample:
    """What every row has."""

    id: int
    language: str
    length: int
    extracted: Literal["fence", "turn", "lead-in"] | None = None
    candidates: int = 1
    first_match: dict[str, int | None] = field(default_factory=dict)
    execution: Executed | None = None


@dataclass(frozen=True)
class Statistics:
    """The statistics of one run's samples.

    Attributes:
        ids: Of the samples, in their order.
        languages: Of the samples.
        lengths: Of the samples' references, in characters.
        tables: By each metric, in as few bytes as they need; shape (samples, statistics).
        measures: What decides which metrics these are.
    """

    ids: list[int]
    languages: list[str]
    lengths: list[int]
    tables: dict[str, Array]
    measures: Measures = field(default_factory=Measures)


def read_scores(path: str | Path, shown: Iterable[str]) -> list[Row]:
    """Reads one row per sample: its id, what its code was found by, and its score by each of some metrics.

    Raises:
        StudyError: The file does not hold these scores.
    """
    rows = _read_rows(path)
    with reading(path):
        for name in shown:
            if not all(row[name] is None or isinstance(row[name], int | float) for row in rows):
                raise ValueError(f"a score by {name} that is no number")
    return rows


def read_statistics(path: str | Path) -> Statistics:
    """Reads the statistics of every metric, as arrays: rows of numbers take ten times the memory.

    Raises:
        StudyError: The file does not hold the statistics of every metric.
    """
    rows = _read_rows(path)
    with reading(path):
        if any(row.get("extracted") and not row["statistics"].keys() >= metrics().keys() for row in rows):
            raise ValueError("no statistics of the code in a prediction")
        measures = measures_of(rows)
        tables = all_statistics(rows)
        known = metrics_of(measures)
        if wrong := [name for name, table in tables.items() if table.shape != (len(rows), len(known[name].none))]:
            raise ValueError(f"statistics of {wrong[0]} of another length")
    ids, languages, lengths = ([row[key] for row in rows] for key in ("id", "language", "length"))
    small = {name: in_few_bytes(table) for name, table in tables.items()}
    return Statistics(ids, languages, lengths, small, measures)


def _read_rows(path: str | Path) -> list[Row]:
    rows = read_jsonl(path)
    if not rows:
        raise StudyError(f"{path}: holds no scores. {MADE_AGAIN}")
    for number, row in enumerate(rows, start=1):
        from_plain(row, _ScoredSample, f"{path}: line {number}")
    return rows
