"""One metric's scores and gains by language and by length of the reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from codetune.evaluation.comparisons import Comparison, MetricFacts, SampleClass
from codetune.report.cells import format_interval, table_of, varying_columns
from codetune.report.flags import flag, flag_note, flagged
from codetune.report.format import digits_of, digits_of_mean, format_number, format_signed
from codetune.report.notes import say_intervals
from codetune.report.rows import EvaluatedSystem
from codetune.report.writing import write_forms

INTERVAL, OF_GAIN, ON_CODE = "95 % interval", "95 % interval of the gain", "95 % interval of the gain on code"


@dataclass(frozen=True, kw_only=True)
class BreakdownRow:
    """A row of the CSV: a system in a class of test samples.

    Attributes:
        test: Name of the test set.
        of: What the samples of the class have in common: `language`, or `length` of the reference in characters.
        class_: Which language or length; the column is called `class`.
        members: The classes that it holds, each with its number of samples; more than one where small ones are pooled.
        samples: Number of test samples in the class.
        measured: Number of them that have a value of every system.
        model: Label of the model.
        method: Name of the method.
        data: Name of the training data; `none` where there are none.
        seeds: Number of runs.
        flagged: How many of them diverged, or did not lower the validation loss.
        metric: Name of the metric.
        score: Mean over seeds.
        score_low: Lower end of its interval.
        score_high: Upper end of its interval.
        gain: Difference to that of the method's baselines which is the better one on all samples.
        gain_over: Name of that baseline.
        gain_low: Lower end of the gain's interval.
        gain_high: Upper end of the gain's interval.
        score_on_code: The same metric on the code of each prediction.
        gain_on_code: Difference to the baseline that is the better one by this score on all samples.
        gain_on_code_over: Name of that baseline.
        gain_on_code_low: Lower end of its interval.
        gain_on_code_high: Upper end of its interval.
    """

    test: str
    of: str
    class_: str
    members: str
    samples: int
    measured: int
    model: str
    method: str
    data: str
    seeds: int
    flagged: int
    metric: str
    score: float | None
    score_low: float | None
    score_high: float | None
    gain: float | None
    gain_over: str | None
    gain_low: float | None
    gain_high: float | None
    score_on_code: float | None
    gain_on_code: float | None
    gain_on_code_over: str | None
    gain_on_code_low: float | None
    gain_on_code_high: float | None


def breakdown_table(evaluated: Sequence[EvaluatedSystem], metric: str) -> pd.DataFrame:
    """One metric's score and gain in each class of test samples: rows of `BreakdownRow`, class by class.

    Args:
        evaluated: The systems on each test set.
        metric: Name of the headline metric, which classes are compared by.
    """
    rows = [asdict(row) for row in _rows(evaluated, metric)]
    table = table_of(rows) if rows else pd.DataFrame(columns=list(BreakdownRow.__dataclass_fields__))
    return table.rename(columns={"class_": "class"})


def _rows(evaluated: Sequence[EvaluatedSystem], metric: str) -> Iterator[BreakdownRow]:
    for test in {one.test: one.comparisons for one in evaluated}.values():
        for group in test.classes:
            yield from (_row(one, group, metric) for one in evaluated if one.test == test.test)


def _row(one: EvaluatedSystem, group: SampleClass, metric: str) -> BreakdownRow:
    score, gain, code = (
        group.score_of(one.system, metric),
        group.gain_of(one.system, metric),
        one.comparisons.on_code(metric),
    )
    coded, gain_on_code = (group.score_of(one.system, code), group.gain_of(one.system, code)) if code else (None, None)
    return BreakdownRow(
        test=one.test,
        of=group.kind,
        class_=group.name,
        members="; ".join(f"{name} {count}" for name, count in group.members.items()),
        samples=group.samples,
        measured=group.measured[metric],
        model=one.model.label,
        method=one.system.method,
        data=one.system.data,
        seeds=len(one.records),
        flagged=len(flagged(one.records)),
        metric=metric,
        score=score.score,
        score_low=score.ends[0],
        score_high=score.ends[1],
        score_on_code=coded.score if coded else None,
        **_gain("gain", gain),
        **_gain("gain_on_code", gain_on_code),
    )


def _gain(name: str, gain: Comparison | None) -> dict[str, Any]:
    """The fields of a gain; empty where there is none."""
    low, high = gain.ends if gain else (None, None)
    over = gain.over.method if gain else None
    return {name: gain.gain if gain else None, f"{name}_over": over, f"{name}_low": low, f"{name}_high": high}


def write_breakdown(
    table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str, outputs: Mapping[str, str]
) -> None:
    """Writes the breakdown: for each class one row per system.

    Args:
        table: As `breakdown_table` makes it.
        evaluated: What it was made from.
        metric: Name of the metric.
        outputs: Path for each of csv, md, tex.
    """
    facts = evaluated[0].comparisons.metrics[metric]
    rows = [row for _, row in table.iterrows()]
    digits = [digits_of_mean(facts.highest, row["measured"]) for row in rows]
    ends = [min(one, digits_of(facts.highest) - 1) for one in digits]
    pairs, ended = list(zip(rows, digits, strict=True)), list(zip(rows, ends, strict=True))
    shown = pd.DataFrame(
        {
            **varying_columns(table, "test"),
            "Class": [_class(row) for row in rows],
            "Model": [row["model"] for row in rows],
            "Method": [f"{row['method']}{flag(row['flagged'], row['seeds'])}" for row in rows],
            **varying_columns(table, "data"),
            facts.label: [format_number(row["score"], one) for row, one in pairs],
            INTERVAL: [format_interval(row, "score", one) for row, one in ended],
            "Gain": [format_signed(row["gain"], one) for row, one in pairs],
            OF_GAIN: [format_interval(row, "gain", one, "+") for row, one in ended],
            "On code": [format_number(row["score_on_code"], one) for row, one in pairs],
            "Gain on code": [format_signed(row["gain_on_code"], one) for row, one in pairs],
            ON_CODE: [format_interval(row, "gain_on_code", one, "+") for row, one in ended],
        }
    )
    needed = (facts.label, INTERVAL, "Gain", OF_GAIN)
    empty = [name for name in shown if name not in needed and len(rows) and shown[name].isna().all()]
    unprinted = [INTERVAL, "On code", ON_CODE]
    write_forms(table, shown.drop(columns=empty), "Breakdown", _note(evaluated, facts), outputs, unprinted=unprinted)


def _class(row: "pd.Series[Any]") -> str:
    unit = " characters" if row["of"] == "length" else ""
    return f"{row['class']}{unit} (n = {row['samples']:,})"


def _note(evaluated: Sequence[EvaluatedSystem], facts: MetricFacts) -> str:
    """What the table shows and how it was made, in sentences."""
    if not any(one.comparisons.classes for one in evaluated):
        return "No test set of this study is divided into classes."
    seeds = {len(one.records) for one in evaluated if one.is_random}
    few, some, many = (digits_of_mean(facts.highest, samples) for samples in (25, 2500, 2501))
    return (
        f"{facts.label} by language (as declared, or guessed from the request, else from the reference) and by "
        "characters of the reference; n: test samples. Small classes are pooled; what they hold is in the CSV. Gain: "
        "over that of the method's baselines which is the better one on all samples. "
        f"{say_intervals(evaluated, seeds)} No p-values: with so many classes, some of these intervals miss the truth. "
        "Decimals follow the number of samples, by the largest standard error that a mean of so many scores can have: "
        f"{few} for up to 25 samples, {some} for up to 2,500, {many} for more."
        f"{flag_note([record for one in evaluated for record in one.records])}"
    )
