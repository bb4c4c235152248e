"""One metric's scores by language and by length of the reference."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from codetune.base.files import Row
from codetune.report.cells import digits_of_mean, format_number, format_whole, table_of, varying_columns
from codetune.report.flags import flag, flag_note, flagged
from codetune.report.rows import EvaluatedSystem
from codetune.report.writing import write_forms
from codetune.study.facts import ScoredPart, Summary
from codetune.study.runs import NONE


def breakdown_table(evaluated: Sequence[EvaluatedSystem], metric: str) -> pd.DataFrame:
    """One metric's score by language and by length of the reference, mean over seeds; one row per class and system."""
    return table_of(row for one in evaluated for row in _rows(one, metric))


def _rows(evaluated: EvaluatedSystem, metric: str) -> Iterator[Row]:
    seeds = [_kinds(summary) for summary in evaluated.summaries]
    for kind, parts in seeds[0].items():
        for name, part in parts.items():
            scores = [of_seed[kind][name].scores[metric] for of_seed in seeds]
            known = [score for score in scores if score is not None]
            yield {
                "data": evaluated.system.data,
                "test": evaluated.test,
                "model": evaluated.model.label,
                "method": evaluated.system.method,
                "flagged": len(flagged(evaluated.records)),
                "of": kind,
                "class": name,
                "samples": part.samples,
                "score": statistics.fmean(known) if len(known) == len(scores) else None,
            }


def _kinds(summary: Summary) -> dict[str, dict[str, ScoredPart]]:
    return {"language": summary.by_language, "length": summary.by_length}


def write_breakdown(
    table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str, outputs: Mapping[str, str]
) -> None:
    """Writes the breakdown: one row per class and one column per system for readers.

    Args:
        table: As `breakdown_table` makes it.
        evaluated: What it was made from.
        metric: Name of the metric.
        outputs: Path for each of csv, md, tex.
    """
    facts = evaluated[0].comparisons.metrics[metric]
    several = bool(varying_columns(table, "data"))
    rows: dict[tuple[str, str, str], dict[str, str | None]] = {}
    for _, row in table.iterrows():
        shown = rows.setdefault(
            (row["test"], row["of"], row["class"]),
            {
                "test": row["test"],
                "By": row["of"],
                "Class": row["class"],
                "Samples": format_whole(row["samples"]),
            },
        )
        shown[_title(row, several)] = format_number(row["score"], digits_of_mean(facts.highest, row["samples"]))
    wide = table_of(rows.values())
    wide = pd.concat([pd.DataFrame(varying_columns(wide, "test")), wide.drop(columns="test")], axis="columns")
    note = (
        f"{facts.label} by language (guessed from the request, else from the reference) and by characters of the "
        "reference. Decimals follow the number of samples, by the largest standard error that a mean of so many scores "
        f"can have: {_digits_in_words(facts.highest)}."
        f"{flag_note([record for one in evaluated for record in one.records])}"
    )
    write_forms(table, wide, "Breakdown", note, outputs)


def _title(row: "pd.Series[Any]", several: bool) -> str:
    """Name of a system; with its training data where there are several."""
    data = f", {row['data']}" if several and row["data"] != NONE else ""
    return f"{row['model']} ({row['method']}{data}){flag(row['flagged'])}"


def _digits_in_words(highest: float) -> str:
    few, some, many = (digits_of_mean(highest, samples) for samples in (25, 2500, 2501))
    return f"{few} for up to 25 samples, {some} for up to 2,500, {many} for more"
