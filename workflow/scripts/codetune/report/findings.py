"""The conclusions of a study in sentences, made from the intervals and verdicts of its records and comparisons."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codetune.base.files import reading
from codetune.evaluation.answered import read_answers
from codetune.evaluation.comparisons import Comparisons, read_comparisons
from codetune.report.executed import FIRST
from codetune.report.finding import Finding, Material
from codetune.report.found_answers import find_answers
from codetune.report.found_cost import find_claims, find_cost, find_cut_off
from codetune.report.found_gains import find_gains
from codetune.report.found_limits import find_limits
from codetune.report.found_pairs import find_pairs
from codetune.report.rows import evaluated_systems
from codetune.study.record import Record
from codetune.study.records import read_records


def read_material(inputs: Mapping[str, Any], metric: str) -> Material:
    """Reads what conclusions are drawn from.

    Args:
        inputs: Paths: `records` of all runs; `comparisons`, one per test set; `executed`, those of test sets with unit
            tests, if there are any; and, if there is one, `audit`, the CSV of the paper's claims, and `answers`, what
            the runs say to the study's questions.
        metric: Name of the study's metric.

    Raises:
        StudyError: A file is missing or damaged.
    """
    records = read_records(inputs["records"])
    comparisons = {path: read_comparisons(path) for path in inputs["comparisons"]}
    executed = {path: read_comparisons(path) for path in inputs.get("executed", ())}
    path, answers = str(inputs.get("audit", "")), str(inputs.get("answers", ""))
    return Material(
        evaluated=evaluated_systems(records, comparisons.values()),
        metric=metric,
        executed=_read_executed(records, executed) if executed else None,
        paths={of.test: path for path, of in comparisons.items()},
        audit=_read_verdicts(path) if path else None,
        audit_path=path,
        answers=read_answers(answers).answers if answers else (),
        answers_path=answers,
    )


def _read_executed(records: Sequence[Record], comparisons: Mapping[str, Comparisons]) -> Material:
    """What is found on test sets with unit tests."""
    paths = {of.test: path for path, of in comparisons.items()}
    return Material(evaluated_systems(records, comparisons.values()), FIRST, paths, names_tests=True)


def _read_verdicts(path: str) -> Counter[str]:
    """How many claims have each verdict."""
    with reading(path), Path(path).open(encoding="utf-8", newline="") as stream:
        return Counter(row["verdict"] for row in csv.DictReader(stream))


def conclude(material: Material) -> list[Finding]:
    """Draws all conclusions: first what was found, then what the study cannot say (`is_limit`).

    Args:
        material: What they are drawn from.

    Returns:
        The findings, in the order in which people read them; details follow the finding that they belong to.
    """
    parts: Sequence[list[Finding]] = (
        find_answers(material),
        find_gains(material),
        _find_passes(material.executed),
        find_pairs(material),
        find_cut_off(material),
        find_cost(material),
        find_claims(material),
        find_limits(material),
    )
    return [one for part in parts for one in part]


def _find_passes(executed: Material | None) -> list[Finding]:
    """What tuning gained in code that passes unit tests; nothing where no code was executed, or no model tuned."""
    if executed is None or all(one.score(FIRST).score is None for one in executed.evaluated):
        return []
    return find_gains(executed) if any(one.is_tuned and one.gain(FIRST) for one in executed.evaluated) else []
