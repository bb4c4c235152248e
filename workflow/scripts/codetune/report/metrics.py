"""All metrics of all systems."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from codetune.base.files import Row
from codetune.evaluation.comparisons import MetricFacts
from codetune.evaluation.metric import EM_AT, ON_CODE
from codetune.evaluation.passes import LISTED
from codetune.report.cells import table_of, varying_columns
from codetune.report.flags import flag, flag_note, flagged
from codetune.report.format import format_number, mark_verdict
from codetune.report.rows import EvaluatedSystem, digits_of_scores, gains_are_by_examples, gains_are_by_tuning
from codetune.report.writing import write_forms

WRITTEN, CODE = "as written", "on code"  # what is scored of a prediction, for readers


def metrics_table(evaluated: Sequence[EvaluatedSystem]) -> pd.DataFrame:
    """Every metric of every system on every test set, one row each, with interval, gain and signature."""
    return table_of(_row(one, metric) for one in evaluated for metric in one.comparisons.metrics)


def _row(evaluated: EvaluatedSystem, metric: str) -> Row:
    facts, score = evaluated.comparisons.metrics[metric], evaluated.score(metric)
    comparison = evaluated.gain(metric)
    return {
        "data": evaluated.system.data,
        "test": evaluated.test,
        "model": evaluated.model.label,
        "method": evaluated.system.method,
        "flagged": len(flagged(evaluated.records)),
        "metric": metric,
        "label": facts.label,
        "score": score.score,
        "score_low": score.ends[0],
        "score_high": score.ends[1],
        "gain": comparison.gain if comparison else None,
        "gain_low": comparison.ends[0] if comparison else None,
        "gain_high": comparison.ends[1] if comparison else None,
        "p_holm": comparison.p_holm if comparison else None,
        "verdict": comparison.verdict if comparison else None,
        "unmeasured": sum(summary.unmeasured.get(metric, 0) for summary in evaluated.summaries),
        "signature": facts.signature,
    }


def write_metrics(table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], outputs: Mapping[str, str]) -> None:
    """Writes the table of all metrics; for readers a column each, and per system one row as written and one on code.

    Args:
        table: As `metrics_table` makes it.
        evaluated: What it was made from.
        outputs: Path for each of csv, md, tex.
    """
    facts = {name: one for system in evaluated for name, one in system.comparisons.metrics.items()}
    left_out = left_out_in_print(facts)
    written = {name: one for name, one in facts.items() if not name.endswith(ON_CODE) and name not in left_out}
    kinds = {WRITTEN: ""} | ({CODE: ON_CODE} if any(name.endswith(ON_CODE) for name in facts) else {})
    rows = []
    having = {name: [one for one in evaluated if name in one.comparisons.metrics] for name in written}
    digits = {name: digits_of_scores(having[name], name)[0] for name in written}
    for (test, model, method, data), group in table.groupby(["test", "model", "method", "data"], sort=False):
        found = {row["metric"]: row for _, row in group.iterrows()}
        title = f"{method}{flag(group['flagged'].iloc[0])}"
        for kind, ending in kinds.items():
            cells = {one.label: _cell(found.get(name + ending), digits[name]) for name, one in written.items()}
            rows.append({"test": test, "Model": model, "Method": title, "data": data, "Scored": kind, **cells})
    wide = pd.DataFrame(rows)
    names = {"Model": wide["Model"], "Method": wide["Method"], **varying_columns(wide, "data")}
    names = {**varying_columns(wide, "test"), **names, **({"Scored": wide["Scored"]} if CODE in kinds else {})}
    shown = pd.DataFrame({**names, **{one.label: wide[one.label] for one in written.values()}})
    by_tuning = gains_are_by_tuning(evaluated) and not gains_are_by_examples(evaluated)
    marked = "tuned models" if by_tuning else "systems"
    baselines = "their untuned rows" if by_tuning else "the baselines of their method"
    note = (
        f"+ and - mark {marked} that are better or worse than the better of {baselines} by that metric, by a p-value "
        "with Holm's correction over the gains by it, not over metrics"
        f"{'; with one seed, about that one training' if _of_one_training(evaluated) else ''}. Intervals, gains and "
        "p-values are in the CSV. Signatures: "
        f"{'; '.join(_signatures(written))}."
    )
    note += " EM@k for each k is in the CSV." if left_out else ""
    note += _of_code(facts)
    note += _without_data_flow(evaluated) + _unmeasured(table)
    note += flag_note([record for one in evaluated for record in one.records])
    write_forms(table, shown, "All metrics", note, outputs)


def left_out_in_print(names: Iterable[str]) -> set[str]:
    """Returns those of some metrics that the table for readers leaves out: EM@k of other k than pass@k has."""
    found = {name: int(named[2]) for name in names if (named := EM_AT.match(name))}
    return {name for name, k in found.items() if k not in (*LISTED, max(found.values()))}


def _signatures(facts: Mapping[str, MetricFacts]) -> list[str]:
    """Each signature after the labels of its metrics."""
    labels: dict[str, list[str]] = {}
    for one in facts.values():
        labels.setdefault(one.signature, []).append(one.label)
    return [f"{', '.join(names)} [{signature}]" for signature, names in labels.items()]


def _of_one_training(evaluated: Sequence[EvaluatedSystem]) -> bool:
    """Whether a mark is about a tuned system of one seed."""
    tuned = [one.system for one in evaluated if one.is_tuned]
    gains = (one.gain(metric) for one in evaluated for metric in one.comparisons.metrics)
    return any(gain is not None and gain.verdict is not None and gain.is_of_one_training(tuned) for gain in gains)


def _of_code(facts: Mapping[str, MetricFacts]) -> str:
    """A sentence on what the rows of code are; none without such rows."""
    found = {
        one.signature.removeprefix(f"{facts[name.removesuffix(ON_CODE)].signature}|")
        for name, one in facts.items()
        if name.endswith(ON_CODE)
    }
    return f" Rows {CODE}: the same of the code in each prediction [{'; '.join(sorted(found))}]." if found else ""


def _without_data_flow(evaluated: Sequence[EvaluatedSystem]) -> str:
    """A sentence on the samples whose CodeBLEU has three parts; none where all have four."""
    counts = {one.test: one.summaries[0].without_data_flow for one in evaluated}
    found = [f"{count} of {test}" for test, count in counts.items() if count]
    return f" References without data flow, whose CodeBLEU has no such part: {'; '.join(found)}." if found else ""


def _unmeasured(table: pd.DataFrame) -> str:
    """A sentence on the samples that are missing in a score; none where none are."""
    missing = [
        f"{row['unmeasured']} from {row['label']} of {row['model']} ({row['method']})"
        for _, row in table.iterrows()
        if row["unmeasured"]
    ]
    return f" Samples that could not be measured are left out: {'; '.join(missing)}." if missing else ""


def _cell(row: "pd.Series[Any] | None", digits: int) -> str | None:
    """A score with its mark; None where the test set has no such metric."""
    return None if row is None else mark_verdict(format_number(row["score"], digits), row["verdict"])
