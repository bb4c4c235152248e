"""What unit tests say of the code that systems write: the table, and the classes of errors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from codetune.evaluation.passes import AVERAGE, AVERAGE_LABEL, PASS_AT
from codetune.report.cells import format_interval, table_of, varying_columns
from codetune.report.flags import flag, flag_note, flagged
from codetune.report.format import format_number, format_signed
from codetune.report.notes import say_intervals
from codetune.report.rows import EvaluatedSystem, digits_of_scores
from codetune.report.writing import write_forms
from codetune.study.execution import ExecutionFacts

FIRST = f"{PASS_AT}1"  # the headline of a test set with unit tests
OF_AVERAGE = "Average accuracy: mean over problems of the share of test cases that the first answer passes."
PASSES, OTHER_ERRORS = "passes", "other exceptions"
# The classes of answers, in the order in which they are shown; each error that has no class here is one of the others.
CLASSES: Mapping[str, tuple[str, ...]] = {
    PASSES: (),
    "wrong answer": ("wrong answer", "other calls", "malformed data"),
    "unknown names": ("NameError", "UnboundLocalError", "ModuleNotFoundError", "ImportError", "AttributeError"),
    OTHER_ERRORS: (),
    "no function, or a syntax error": ("no function", "no program", "syntax error"),
    "out of fuel, memory or output": ("out of fuel", "out of memory", "too much output", "crashed", "ended early"),
}
MOST_ERRORS = 3  # that a row for readers names


@dataclass(frozen=True, kw_only=True)
class ExecutedRow:
    """A row of the CSV, which has a column for each pass@k beside these, for the average accuracy and for each error.

    Attributes:
        test: Name of the test set.
        model: Label of the model.
        method: Name of the method.
        data: Name of the training data; `none` where there are none.
        seeds: Number of runs.
        flagged: How many of them diverged, or did not lower the validation loss.
        problems: Number of problems of the test set.
        judged: Number of problems whose answers can be judged.
        score: pass@1, mean over seeds.
        score_low: Lower end of its interval.
        score_high: Upper end of its interval.
        gain: Difference to the better of the method's baselines.
        gain_over: Name of that baseline.
        gain_low: Lower end of its interval.
        gain_high: Upper end of its interval.
        p_holm: Corrected p-value of the gain.
        verdict: What it says.
        leaked: Problems that leak from the training data of any of the systems.
        score_without_leaked: pass@1 of all other problems.
        not_executed: Why nothing was executed; empty if the sandbox worked.
    """

    test: str
    model: str
    method: str
    data: str
    seeds: int
    flagged: int
    problems: int
    judged: int
    score: float | None
    score_low: float | None
    score_high: float | None
    gain: float | None
    gain_over: str | None
    gain_low: float | None
    gain_high: float | None
    p_holm: float | None
    verdict: str | None
    leaked: int
    score_without_leaked: float | None
    not_executed: str | None


def executions_of(one: EvaluatedSystem) -> list[ExecutionFacts]:
    """Returns what the unit tests say of each seed."""
    return [facts for record in one.records if (facts := record.tests[one.test].execution)]


def shares_of_errors(one: EvaluatedSystem) -> dict[str, float]:
    """Returns the share of each error among all answers of a system, the most frequent first."""
    facts = executions_of(one)
    counts = sum((Counter(each.errors) for each in facts), Counter[str]())
    answers = sum(each.answers for each in facts)
    return {error: count / answers for error, count in counts.most_common()}


def shares_of_classes(one: EvaluatedSystem) -> dict[str, float]:
    """Returns the share of each class of answers, in the order of `CLASSES`; none if nothing was executed."""
    facts = executions_of(one)
    answers = sum(each.answers for each in facts)
    if not answers:
        return {}
    shares = dict.fromkeys(CLASSES, 0.0) | {PASSES: sum(each.passed for each in facts) / answers}
    class_of = {error: name for name, errors in CLASSES.items() for error in errors}
    for error, share in shares_of_errors(one).items():
        shares[class_of.get(error, OTHER_ERRORS)] += share
    return shares


def execution_table(evaluated: Sequence[EvaluatedSystem]) -> pd.DataFrame:
    """Returns rows of `ExecutedRow`, one per system on each test set with unit tests.

    Args:
        evaluated: The systems on these test sets.
    """
    return table_of(asdict(_row(one)) | _other_counts(one) | _error_columns(one) for one in evaluated)


def _row(one: EvaluatedSystem) -> ExecutedRow:
    score, gain = one.score(FIRST), one.gain(FIRST)
    facts, summary = executions_of(one)[0], one.summaries[0]
    return ExecutedRow(
        test=one.test,
        model=one.model.label,
        method=one.system.method,
        data=one.system.data,
        seeds=len(one.records),
        flagged=len(flagged(one.records)),
        problems=summary.samples,
        judged=summary.samples - summary.unmeasured.get(FIRST, 0),
        score=score.score,
        score_low=score.ends[0],
        score_high=score.ends[1],
        gain=gain.gain if gain else None,
        gain_over=gain.over.method if gain else None,
        gain_low=gain.ends[0] if gain else None,
        gain_high=gain.ends[1] if gain else None,
        p_holm=gain.p_holm if gain else None,
        verdict=gain.verdict if gain else None,
        leaked=len(one.comparisons.leaked),
        score_without_leaked=score.without_leaked,
        not_executed=facts.not_executed,
    )


def _error_columns(one: EvaluatedSystem) -> dict[str, float]:
    return {f"share: {error}": share for error, share in shares_of_errors(one).items()}


def _other_counts(one: EvaluatedSystem) -> dict[str, float | None]:
    """pass@k for each k beyond 1, and the average accuracy where there are test cases."""
    names = [name for name in one.comparisons.metrics if name.startswith((PASS_AT, AVERAGE)) and name != FIRST]
    return {one.comparisons.metrics[name].label: one.score(name).score for name in names}


def write_execution(table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], outputs: Mapping[str, str]) -> None:
    """Writes the table of what unit tests say.

    Args:
        table: As `execution_table` makes it.
        evaluated: What it was made from.
        outputs: Path for each of csv, md, tex.
    """
    digits, ends = digits_of_scores(evaluated, FIRST)
    rows = [row for _, row in table.iterrows()]
    more = [name for name in map(str, table) if name.startswith("pass@") or name == AVERAGE_LABEL]
    leaked = (
        {"Without leaked": [format_number(row["score_without_leaked"], digits) for row in rows]}
        if table["leaked"].any()
        else {}
    )
    shown = pd.DataFrame(
        {
            **varying_columns(table, "test"),
            "Model": table["model"],
            "Method": [f"{row['method']}{flag(row['flagged'], row['seeds'])}" for row in rows],
            **varying_columns(table, "data"),
            "pass@1": [format_number(row["score"], digits) for row in rows],
            "95 % interval": [format_interval(row, "score", ends) for row in rows],
            "Gain": [format_signed(row["gain"], digits) for row in rows],
            "95 % interval of the gain": [format_interval(row, "gain", ends, "+") for row in rows],
            "Verdict": table["verdict"],
            **{name: [format_number(row[name], digits) for row in rows] for name in more},
            **leaked,
            "Most frequent errors": [_most_frequent(one) for one in evaluated],
        }
    )
    needed = ("pass@1", "95 % interval", "Model", "Method")
    shown = shown[[name for name in shown if name in needed or shown[name].notna().any()]]
    write_forms(table, shown, "What unit tests say", _note(table, evaluated), outputs)


def _most_frequent(one: EvaluatedSystem) -> str | None:
    shares = list(shares_of_errors(one).items())[:MOST_ERRORS]
    return ", ".join(f"{error} {100 * share:.0f} %" for error, share in shares) or None


def _note(table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem]) -> str:
    """What the table shows and how it was made, in sentences."""
    signatures = dict.fromkeys(one.comparisons.metrics[FIRST].signature for one in evaluated)
    seeds = {len(one.records) for one in evaluated if one.is_random}
    rows = {row["test"]: row for _, row in table.iterrows()}
    counts = [f"{row['problems']} of {test}" for test, row in rows.items()]
    refused = [
        f"{row['problems'] - row['judged']} of {test}" for test, row in rows.items() if row["judged"] < row["problems"]
    ]
    leaked = [f"{row['leaked']} of {test}" for test, row in rows.items() if row["leaked"]]
    reasons = list(dict.fromkeys(table["not_executed"].dropna()))
    return (
        f"Share of problems ({', '.join(counts)}) whose first answer passes all unit tests [{'; '.join(signatures)}]. "
        f"Intervals and p-values (Holm) are over problems. {say_intervals(evaluated, seeds)}"
        + (f" Not judged, since their references cannot be: {'; '.join(refused)}." if refused else "")
        + (f" Without leaked: without problems that leak from training data: {'; '.join(leaked)}." if leaked else "")
        + "".join(f" No code was executed: {reason}" for reason in reasons)
        + (f" {OF_AVERAGE}" if AVERAGE_LABEL in table else "")
        + " All errors with their shares are in the CSV."
        + flag_note([record for one in evaluated for record in one.records])
    )


def first_passes(one: EvaluatedSystem, executed: Sequence[EvaluatedSystem]) -> dict[str, float | None]:
    """Returns a system's pass@1 on each test set with unit tests; None where it is not evaluated.

    Args:
        one: The system, on any test set.
        executed: The systems on these test sets.
    """
    found = {other.test: other.score(FIRST).score for other in executed if other.system == one.system}
    return {test: found.get(test) for test in dict.fromkeys(other.test for other in executed)}
