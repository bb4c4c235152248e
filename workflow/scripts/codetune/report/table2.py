"""Table 2: the score of all runs, with intervals and gains, beside the paper's."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd

from codetune.base.files import Row
from codetune.papers.declared import NOT_RUN, PAPER_METRIC, is_comparable
from codetune.report.cells import format_interval, table_of, varying_columns
from codetune.report.executed import first_passes
from codetune.report.flags import flag, flagged
from codetune.report.format import format_number, format_p, format_signed, mark_verdict
from codetune.report.gains import baselines_of, gain_columns
from codetune.report.notes import note_of_table2
from codetune.report.rows import EvaluatedSystem, digits_of_scores
from codetune.report.table2_row import Table2Row
from codetune.report.writing import write_forms

HERE = "this study"
OVER = "Over"  # head of the column that names the baseline of a row's gain and verdict, where there are several
QUOTED = "quoted"  # in the place of the method of a row that is the paper's own
PASS_DIGITS = 3
PASSES = "pass_at_1_on_"  # begins the names of the columns of what passes unit tests
OF_PASSES = (
    " pass@1: share of problems whose first answer passes all unit tests; intervals, gains and errors are in table "
    "execution."
)
MORE = "More on each system"  # title of the panel of what readers look for later
UNPRINTED = ("Seeds", "Deviation", "Gain over")  # beginnings of the columns that LaTeX leaves out


def table2(
    evaluated: Sequence[EvaluatedSystem], metric: str, paper: Row, executed: Sequence[EvaluatedSystem] = ()
) -> pd.DataFrame:
    """The score of all systems beside the paper's (its Table 2).

    Args:
        evaluated: The systems on each test set.
        metric: Name of the metric.
        paper: What the paper declares.
        executed: The systems on each test set with unit tests.

    Returns:
        Rows of `Table2Row`, with columns for the gain over each baseline and for pass@1 on each of these sets: those
        that the paper quotes, then test set by test set one per system, in the order of `in_reading_order`. The paper's
        columns and rows are filled for its own metric, ROUGE-L.
    """
    declared = {(row["model"], row["method"]): row for row in paper.get("table2", []) if "model" in row}
    baselines = baselines_of(evaluated, metric)
    quoted = [_quoted(row) for row in paper.get("table2", []) if "model" not in row] if metric == PAPER_METRIC else []
    rows: list[Row] = [asdict(row) for row in quoted]
    tests = {one.test for one in evaluated}
    for one in evaluated:
        beside = declared if is_comparable(paper, one.system, one.test, tests) else {}
        passes = {f"{PASSES}{test}": score for test, score in first_passes(one, executed).items()}
        rows.append(asdict(_row(one, metric, beside)) | gain_columns(one, metric, baselines) | passes)
    return table_of(rows)


def _quoted(row: Row) -> Table2Row:
    return Table2Row(
        model=row["label"],
        source="quoted by the paper",
        not_run=row.get(NOT_RUN),
        paper_params=row["params"],
        paper_score=row["rouge_l"],
    )


def _row(evaluated: EvaluatedSystem, metric: str, declared: Mapping[tuple[str, str], Row]) -> Table2Row:
    system, summaries = evaluated.system, evaluated.summaries
    score, comparison = evaluated.score(metric), evaluated.gain(metric)
    code = evaluated.comparisons.on_code(metric)
    coded, gain_on_code = (evaluated.score(code), evaluated.gain(code)) if code else (None, None)
    quoted = declared.get((system.model, system.method), {})
    paper_gain = _paper_gain(evaluated, declared) if metric == PAPER_METRIC else None
    trainings = [record.training for record in evaluated.records if record.training is not None]
    return Table2Row(
        data=system.data,
        test=evaluated.test,
        model=evaluated.model.label,
        method=system.method,
        source=HERE,
        paper_params=quoted.get("params"),
        trainable=trainings[0].trainable_parameters if trainings else None,
        steps=round(statistics.fmean(one.result.best_step for one in trainings)) if trainings else None,
        seeds=len(evaluated.records),
        flagged=len(flagged(evaluated.records)),
        samples=summaries[0].samples,
        metric=metric,
        template=evaluated.records[0].template,
        score=score.score,
        score_low=score.ends[0],
        score_high=score.ends[1],
        deviation=score.deviation,
        score_on_code=coded.score if coded else None,
        score_on_code_low=coded.ends[0] if coded else None,
        score_on_code_high=coded.ends[1] if coded else None,
        paper_score=quoted.get("rouge_l") if metric == PAPER_METRIC else None,
        gain=comparison.gain if comparison else None,
        gain_over=comparison.over.method if comparison else None,
        gain_low=comparison.ends[0] if comparison else None,
        gain_high=comparison.ends[1] if comparison else None,
        gain_percent=_percent(comparison.gain, score.score) if comparison else None,
        p_holm=comparison.p_holm if comparison else None,
        verdict=comparison.verdict if comparison else None,
        p_holm_on_code=gain_on_code.p_holm if gain_on_code else None,
        verdict_on_code=gain_on_code.verdict if gain_on_code else None,
        paper_gain=paper_gain[0] if paper_gain else None,
        paper_gain_over=paper_gain[1] if paper_gain else None,
        truncated=statistics.fmean(summary.truncated for summary in summaries),
        empty=statistics.fmean(summary.empty for summary in summaries),
        extracted=statistics.fmean(summary.extracted for summary in summaries),
        length_ratio=statistics.fmean(summary.length_ratio for summary in summaries),
        leaked=len(evaluated.comparisons.leaked),
        score_without_leaked=score.without_leaked,
        predictions=" ".join(str(record.path_of("predictions", evaluated.test)) for record in evaluated.records),
    )


def _percent(gain: float | None, score: float | None) -> float | None:
    """A gain relative to the score that it started from, in percent."""
    return None if gain is None or score is None or score == gain else 100 * gain / (score - gain)


def _paper_gain(evaluated: EvaluatedSystem, declared: Mapping[tuple[str, str], Row]) -> tuple[float, str] | None:
    """The paper's own difference between a system and the first baseline of its method that it has, and which."""
    model, method = evaluated.system.model, evaluated.system.method
    own = declared.get((model, method))
    for name in evaluated.records[0].method.baselines:
        baseline = declared.get((model, name))
        if own and baseline:
            return round(float(own["rouge_l"] - baseline["rouge_l"]), 4), name
    return None


def write_table2(
    table: pd.DataFrame, evaluated: Sequence[EvaluatedSystem], metric: str, outputs: Mapping[str, str]
) -> None:
    """Writes Table 2; what readers look for first is in one panel: score, gain, their intervals, and the verdict.

    Args:
        table: As `table2` makes it.
        evaluated: What it was made from.
        metric: Name of the metric.
        outputs: Path for each of csv, md, tex.
    """
    label = evaluated[0].comparisons.metrics[metric].label
    digits, ends = digits_of_scores(evaluated, metric)
    rows = [row for _, row in table.iterrows()]
    code = evaluated[0].comparisons.on_code(metric)
    first = {
        label: [format_number(row["score"], digits) for row in rows],
        "95 % interval": [format_interval(row, "score", ends) for row in rows],
        "Gain": [format_signed(row["gain"], digits) for row in rows],
        "95 % interval of the gain": [format_interval(row, "gain", ends, "+") for row in rows],
        "Verdict": table["verdict"],
        **({"On code": [_on_code(row, digits) for row in rows]} if code else {}),
        **_passes(table),
    }
    leaked = _without_leaked(table, label, digits)
    more = {
        **varying_columns(table, "seeds"),
        "Deviation": [format_number(row["deviation"], digits + 1) for row in rows],
        **_gains_over(table, baselines_of(evaluated, metric), digits),
        "p (Holm)": table["p_holm"].map(format_p),
        "Paper": table["paper_score"].map(partial(format_number, digits=2)),
        **leaked,
        "Cut off (%)": (100 * table["truncated"]).map(partial(format_number, digits=1)),
        "Length": table["length_ratio"].map(partial(format_number, digits=2)),
    }
    names = {**varying_columns(table, "test"), **_names(rows), **varying_columns(table, "data")}
    # These are shown even where the metric applies to no sample.
    kept = {*names, label, "95 % interval", *leaked}
    if any(one.gain(metric) for one in evaluated):
        kept |= {*first, "p (Holm)"}
    shown = pd.DataFrame({**names, **first, **more})
    shown = shown[[name for name in shown if name in kept or shown[name].notna().any()]]
    note, unprinted = note_of_table2(table, evaluated, metric), [name for name in more if name.startswith(UNPRINTED)]
    note += OF_PASSES if _passes(table) else ""
    write_forms(table, shown, f"Model comparison on {label}", note, outputs, {MORE: list(more)}, unprinted)


def _without_leaked(table: pd.DataFrame, label: str, digits: int) -> dict[str, list[str | None]]:
    """The column of scores without the test samples that leak, if there are such samples; the note counts them."""
    counts = {int(count) for count in table["leaked"].dropna()} - {0}
    if not counts:
        return {}
    number = f"{min(counts)} " if len(counts) == 1 else ""
    scores = [format_number(value, digits) for value in table["score_without_leaked"]]
    return {f"{label} without {number}leaked": scores}


def _on_code(row: "pd.Series[Any]", digits: int) -> str | None:
    return mark_verdict(format_number(row["score_on_code"], digits), row["verdict_on_code"])


def _passes(table: pd.DataFrame) -> dict[str, list[str | None]]:
    """The columns of pass@1, one per test set with unit tests."""
    columns = {name: table[name] for name in map(str, table) if name.startswith(PASSES)}
    return {
        f"pass@1 on {name.removeprefix(PASSES)}": [format_number(value, PASS_DIGITS) for value in values]
        for name, values in columns.items()
    }


def _names(rows: Sequence["pd.Series[Any]"]) -> dict[str, list[str]]:
    """The columns of the model and of the method, with the mark of a training that has a problem."""
    methods = [
        QUOTED if row["source"] != HERE else f"{row['method']}{flag(row['flagged'], row['seeds'])}" for row in rows
    ]
    return {"Model": [row["model"] for row in rows], "Method": methods}


def _gains_over(table: pd.DataFrame, baselines: Sequence[str], digits: int) -> dict[str, Any]:
    """Where there are several baselines, the one that the verdict is about, and the gain over each of all rows' own."""
    if len(baselines) < 2:
        return {}
    each = {f"Gain over {name}": table[f"gain_over_{name}"] for name in baselines}
    rows = {tuple(row.notna()) for _, row in pd.DataFrame(each).iterrows() if row.notna().any()}
    columns = each if len(rows) <= 1 else {}
    return {
        OVER: table["gain_over"].where(table["gain"].notna()),
        **{name: [format_signed(gain, digits) for gain in gains] for name, gains in columns.items()},
    }
