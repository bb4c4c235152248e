"""Models against models, methods against methods, and tuned models against those that nobody tunes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from codetune.evaluation.comparisons import ALPHA, Comparison
from codetune.report.cells import format_interval, table_of, varying_columns
from codetune.report.flags import flag, flag_note, flagged
from codetune.report.format import format_number, format_p, format_signed
from codetune.report.notes import say_intervals
from codetune.report.rows import EvaluatedSystem, digits_of_scores
from codetune.report.writing import write_forms
from codetune.study.runs import System

MORE = "Scores, p-values and differences on code"  # title of the second panel
KINDS = ("model", "method", "data", "tuning")  # what differs, in the order of the table


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """A row of the CSV: two systems on a test set.

    Attributes:
        test: Name of the test set.
        differs: What the two differ in: `model`, `method`, `data` for a model trained on two, or `tuning` for a tuned
            model and one that nobody tunes.
        in_common: The method, the model, or both; None where they have neither in common.
        data: Training data of the first one.
        model: Label of its model.
        method: Name of its method.
        seeds: Number of its runs.
        flagged: How many of them diverged, or did not lower the validation loss.
        over_data: Training data of the other.
        over_model: Label of its model.
        over_method: Name of its method.
        over_seeds: Number of its runs.
        over_flagged: How many of them diverged, or did not lower the validation loss.
        metric: Name of the metric.
        score: Of the first.
        over_score: Of the other.
        gain: Their difference.
        gain_low: Lower end of its interval.
        gain_high: Upper end of its interval.
        p: P-value of no difference.
        p_holm: The same, corrected for the number of pairs.
        verdict: What it says.
        code_gain: Difference of the scores of the code alone.
        code_gain_low: Lower end of its interval.
        code_gain_high: Upper end of its interval.
        code_p: P-value of no difference of these.
        code_p_holm: The same, corrected for the number of pairs.
        code_verdict: What it says.
    """

    test: str
    differs: str
    in_common: str | None
    data: str
    model: str
    method: str
    seeds: int
    flagged: int
    over_data: str
    over_model: str
    over_method: str
    over_seeds: int
    over_flagged: int
    metric: str
    score: float | None
    over_score: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    p: float | None
    p_holm: float | None
    verdict: str | None
    code_gain: float | None
    code_gain_low: float | None
    code_gain_high: float | None
    code_p: float | None
    code_p_holm: float | None
    code_verdict: str | None


def pairs_table(evaluated: Sequence[EvaluatedSystem], metric: str) -> pd.DataFrame:
    """Compares systems other than with their baselines.

    Args:
        evaluated: The systems on each test set.
        metric: Name of the metric.

    Returns:
        Rows of `PairRow`, by test set, by what differs, and by what the two have in common; there, decided differences
        stand before others, and large ones before small ones. Of two models or methods the one with the higher score
        stands first, of a tuned model and another the tuned one.
    """
    rows: list[PairRow] = []
    for test in dict.fromkeys(one.test for one in evaluated):
        systems = {one.system: one for one in evaluated if one.test == test}
        found = list(_rows(systems, metric))
        common = list(dict.fromkeys(row.in_common for row in found))
        rows += sorted(found, key=lambda row: (KINDS.index(row.differs), common.index(row.in_common), *_rank(row)))
    names = list(PairRow.__dataclass_fields__)
    return table_of(asdict(row) for row in rows) if rows else pd.DataFrame(columns=names)


def _rank(row: PairRow) -> tuple[bool, float]:
    return row.verdict not in ("better", "worse"), -(row.gain or 0.0)


def _rows(systems: Mapping[System, EvaluatedSystem], metric: str) -> Iterator[PairRow]:
    comparisons = next(iter(systems.values())).comparisons
    for pair in comparisons.comparisons:
        if (pair.family, pair.metric) == ("pair", metric):
            differs = _difference(pair)
            found = pair.reverse if differs != "tuning" and (pair.gain or 0.0) < 0 else pair
            yield row_of(found, differs, systems[found.system], systems[found.over])


def _difference(pair: Comparison) -> str:
    """What two systems differ in."""
    if pair.system.method == pair.over.method:
        return "model" if pair.system.data == pair.over.data else "data"
    return "method" if pair.system.model == pair.over.model else "tuning"


def row_of(pair: Comparison, differs: str, one: EvaluatedSystem, other: EvaluatedSystem) -> PairRow:
    """The row of a comparison.

    Args:
        pair: The comparison.
        differs: What the two systems differ in.
        one: The first.
        other: The one that it is compared with.
    """
    comparisons = one.comparisons
    code = comparisons.on_code(pair.metric)
    coded = comparisons.pair_of(pair.system, pair.over, code) if code else None
    return PairRow(
        test=one.test,
        differs=differs,
        in_common={
            "model": pair.system.method,
            "data": f"{one.model.label} ({pair.system.method})",
            "method": one.model.label,
        }.get(differs),
        data=pair.system.data,
        model=one.model.label,
        method=pair.system.method,
        seeds=pair.seeds,
        flagged=len(flagged(one.records)),
        over_data=pair.over.data,
        over_model=other.model.label,
        over_method=pair.over.method,
        over_seeds=pair.over_seeds,
        over_flagged=len(flagged(other.records)),
        metric=pair.metric,
        score=one.score(pair.metric).score,
        over_score=other.score(pair.metric).score,
        gain=pair.gain,
        gain_low=pair.ends[0],
        gain_high=pair.ends[1],
        p=pair.p,
        p_holm=pair.p_holm,
        verdict=pair.verdict,
        code_gain=coded.gain if coded else None,
        code_gain_low=coded.ends[0] if coded else None,
        code_gain_high=coded.ends[1] if coded else None,
        code_p=coded.p if coded else None,
        code_p_holm=coded.p_holm if coded else None,
        code_verdict=coded.verdict if coded else None,
    )


def write_pairs(
    table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str, outputs: Mapping[str, str]
) -> None:
    """Writes the table of pairs: the CSV with all numbers, and for readers one row per pair.

    Args:
        table: As `pairs_table` makes it.
        evaluated: What it was made from.
        metric: Name of the metric.
        outputs: Path for each of csv, md, tex.
    """
    comparisons = evaluated[0].comparisons
    facts, code = comparisons.metrics[metric], comparisons.on_code(metric)
    digits = digits_of_scores(evaluated, metric)
    rows = [row for _, row in table.iterrows()]
    shown = pd.DataFrame(
        {
            **varying_columns(table, "test"),
            "In common": table["in_common"],
            "System / compared with": [f"{_title(row, '')} / {_title(row, 'over_')}" for row in rows],
            **varying_columns(table, "data"),
            **shown_differences(rows, "Difference", digits),
            facts.label: [_scores(row, digits[0]) for row in rows],
        }
    )
    if code:
        shown["Difference on code"] = [format_signed(row["code_gain"], digits[0]) for row in rows]
        shown["p (Holm) on code"] = [format_p(row["code_p_holm"]) for row in rows]
        shown["Verdict on code"] = table["code_verdict"]
    title, more = (
        f"Pairs of systems on {facts.label}",
        [facts.label, "p (Holm)", "Difference on code", "p (Holm) on code"],
    )
    write_forms(table, shown, title, _note(table, evaluated, metric), outputs, {MORE: more}, more)


def shown_differences(rows: Sequence["pd.Series[Any]"], name: str, digits: tuple[int, int]) -> dict[str, list[Any]]:
    """The columns of a difference between two systems: itself, its interval, p and verdict.

    Args:
        rows: Of a table of pairs.
        name: What readers see the difference called.
        digits: Decimals of the difference and of the ends of its interval.
    """
    return {
        name: [format_signed(row["gain"], digits[0]) for row in rows],
        "95 % interval": [format_interval(row, "gain", digits[1], "+") for row in rows],
        "p (Holm)": [format_p(row["p_holm"]) for row in rows],
        "Verdict": [row["verdict"] for row in rows],
    }


def _title(row: "pd.Series[Any]", prefix: str) -> str:
    """A system of a pair, without what both have in common."""
    model, method = str(row[f"{prefix}model"]), str(row[f"{prefix}method"])
    own = {"model": model, "method": method, "data": str(row[f"{prefix}data"])}
    name = own.get(str(row["differs"]), f"{model} ({method})")
    return name + flag(row[f"{prefix}flagged"], row[f"{prefix}seeds"])


def _correction(table: pd.DataFrame) -> str:
    """How p-values are corrected, and what the verdict is; that there are none where no sample has a value."""
    sizes = [int(found.notna().sum()) for _, found in table.groupby("test", sort=False)["p"]]
    if not any(sizes):
        return "There are no p-values, as no sample has a value."
    counts = sorted(set(sizes) - {0})
    listed = " / ".join(f"{count:,}" for count in counts)
    pairs = f"{'pair' if counts == [1] else 'pairs'}{' per test set' if len(sizes) > 1 else ''}"
    return (
        f"p: two-sided, with Holm's correction over the {listed} {pairs} by one metric. Verdict: undecided where p is "
        f"above {ALPHA}, also where the interval alone would not hold zero; that is not to say that they are equal."
    )


def _scores(row: "pd.Series[Any]", digits: int) -> str | None:
    found = [format_number(row[name], digits) for name in ("score", "over_score")]
    return None if None in found else " / ".join(map(str, found))


def _note(table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str) -> str:
    """What the table compares and how, in sentences."""
    comparisons = evaluated[0].comparisons
    code, signatures = comparisons.on_code(metric), comparisons.signatures_of(metric)
    if table.empty:
        return f"No two systems of this study are compared beside Table 2. {signatures}."
    tests = {one.test: one.comparisons for one in evaluated}
    seeds = {int(count) for name in ("seeds", "over_seeds") for count in table[name]}
    pairs = [pair for one in tests.values() for pair in one.comparisons if pair.family == "pair"]
    tuned = [one.system for one in evaluated if one.is_tuned]
    one_training = any(
        pair.is_of_one_training(tuned) and pair.metric == metric and pair.p is not None for pair in pairs
    )
    return (
        "Each row compares two systems on the same test samples: two models after the same method, two methods on the "
        "same model, two training data of the same model and method, or a tuned model with what nobody tunes. Table 2 "
        "compares tuned models with their baselines. "
        f"Difference: the first score less the second. {say_intervals(evaluated, seeds)} {_correction(table)}"
        f"{' Of a tuned model with one seed, it is about that one training.' if one_training else ''}"
        f"{' Intervals of the differences on code are in the CSV.' if code else ''} {signatures}."
        f"{flag_note([record for one in evaluated for record in one.records])}"
    )
