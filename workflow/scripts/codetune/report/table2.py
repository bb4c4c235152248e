"""Table 2: the score of all runs, with intervals and gains, beside the paper's."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from codetune.base.files import Row, read_json
from codetune.evaluation.comparisons import read_comparisons
from codetune.papers.declared import PAPER_METRIC
from codetune.report.cells import (
    digits_of,
    format_interval,
    format_millions,
    format_number,
    format_p,
    group_by_system,
    in_paper_order,
    varying_columns,
)
from codetune.report.writing import write_table


def table2(
    runs: list[Row],
    models: dict[str, Row],
    summaries: Sequence[str],
    significance: str,
    metric: str,
    records: dict[str, str],
    paper: Row,
) -> pd.DataFrame:
    """The score of all runs beside the paper's, in its order (its Table 2).

    Args:
        runs: All runs of the study.
        models: The config's `models`.
        summaries: Path of each run's summary of scores.
        significance: Path of the intervals and p-values.
        metric: Name of the metric.
        records: Path of the training record of each tuned run, by the path of its summary.
        paper: What the paper declares.

    Returns:
        Rows that the paper quotes, then one row a (dataset, model, method); the score is the mean over seeds, with its
        95 % interval and the standard deviation over seeds. `gain` is the difference to the untuned model on the same
        data, `gain_percent` the same relative to it. `predictions` says where the score comes from. The paper's
        columns are filled for its own metric, ROUGE-L.
    """
    findings = read_comparisons(significance, metric)
    declared = {(row["model"], row["method"]): row for row in paper["table2"] if "model" in row}
    groups = group_by_system(runs, summaries)
    rows = []
    for key, paths in groups.items():
        dataset, model, method = key
        quoted = declared.get((model, method), {})
        found, gain = findings.scores[key], findings.gains.get(key, {})
        read = [read_json(path) for path in paths]
        low, high = gain.get("interval", (None, None))
        row = {
            "dataset": dataset,
            "model": models[model]["label"],
            "method": method,
            "source": "this study",
            "paper_params": quoted.get("params"),
            "trainable": None,
            "steps": None,
            "seeds": len(paths),
            "samples": read[0]["samples"],
            "metric": metric,
            "score": found["score"],
            "score_low": found["interval"][0],
            "score_high": found["interval"][1],
            "deviation": found["deviation"],
            "paper_score": quoted.get("rouge_l") if metric == PAPER_METRIC else None,
            "gain": gain.get("gain"),
            "gain_low": low,
            "gain_high": high,
            "gain_percent": _percent(gain.get("gain"), found["score"]),
            "p_holm": gain.get("p_holm"),
            "verdict": findings.gain_in_words(key),
            "paper_gain": _paper_gain(declared, model, method) if metric == PAPER_METRIC else None,
            "truncated": statistics.fmean(summary["truncated"] for summary in read),
            "empty": statistics.fmean(summary["empty"] for summary in read),
            "length_ratio": statistics.fmean(summary["length_ratio"] for summary in read),
            "leaked": read[0]["leaked"],
            "score_without_leaked": _mean_of([summary["scores_without_leaked"] for summary in read], metric),
            "predictions": " ".join(str(Path(path).with_name("predictions.jsonl")) for path in paths),
        }
        rows.append(row | _training(paths, records))
    order = [(row["model"], row["method"]) for row in paper["table2"] if "model" in row]
    ours = in_paper_order(rows, order, [key[1:] for key in groups])
    if metric != PAPER_METRIC:
        return ours
    theirs = pd.DataFrame([_quoted(row) for row in paper["table2"] if "model" not in row])
    whole = dict.fromkeys(("trainable", "steps", "seeds", "samples", "leaked"), "Int64")
    return pd.concat([theirs.reindex(columns=ours.columns).astype(object), ours], ignore_index=True).astype(whole)


def _mean_of(scores: list[dict[str, float | None] | None], metric: str) -> float | None:
    """Mean over seeds of one metric; None where it is not defined for one of them."""
    found = [one[metric] for one in scores if one is not None]
    known = [value for value in found if value is not None]
    return statistics.fmean(known) if len(known) == len(scores) else None


def _training(paths: list[str], records: dict[str, str]) -> Row:
    """Trainable parameters, and steps to the best checkpoint, mean over seeds; nothing for untuned models."""
    trained = [read_json(records[path]) for path in paths if path in records]
    if not trained:
        return {}
    return {
        "trainable": trained[0]["parameters"]["trainable"],
        "steps": round(statistics.fmean(record["result"]["best_step"] for record in trained)),
    }


def _percent(gain: float | None, score: float) -> float | None:
    """A gain relative to the score that it started from, in percent."""
    return None if gain is None or score == gain else 100 * gain / (score - gain)


def _quoted(row: Row) -> Row:
    return {
        "model": row["label"],
        "source": "quoted by the paper",
        "paper_params": row["params"],
        "paper_score": row["rouge_l"],
    }


def _paper_gain(declared: Mapping[tuple[str, str], Row], model: str, method: str) -> float | None:
    """The paper's own difference between tuned and untuned."""
    if method == "base" or (model, method) not in declared or (model, "base") not in declared:
        return None
    return round(float(declared[model, method]["rouge_l"] - declared[model, "base"]["rouge_l"]), 4)


def write_table2(table: pd.DataFrame, significance: str, metric: str, outputs: dict[str, str]) -> None:
    """Writes Table 2 as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    findings = read_comparisons(significance, metric)
    label, digits = findings.metric["label"], digits_of(findings.metric["highest"])
    shown = pd.DataFrame(
        {
            **varying_columns(table, "dataset"),
            "Model": [_title(row) for _, row in table.iterrows()],
            "Params (paper)": table["paper_params"],
            "Trainable": table["trainable"].map(format_millions),
            "Steps": table["steps"].map(lambda value: None if pd.isna(value) else f"{value:.0f}"),
            **varying_columns(table, "seeds"),
            label: [format_number(row["score"], digits, row["deviation"]) for _, row in table.iterrows()],
            "95 % interval": [format_interval(row, "score", digits) for _, row in table.iterrows()],
            **_without_leaked(table, label, digits),
            f"{label} (paper)": table["paper_score"].map(lambda value: None if pd.isna(value) else f"{value:.2f}"),
            "Gain": [_gain(row, digits) for _, row in table.iterrows()],
            "95 % interval of the gain": [format_interval(row, "gain", digits, "+") for _, row in table.iterrows()],
            "p (Holm)": table["p_holm"].map(format_p),
            "Verdict": table["verdict"],
            "Gain (paper)": table["paper_gain"].map(lambda value: None if pd.isna(value) else f"{value:+.2f}"),
        }
    )
    shown = shown.dropna(axis="columns", how="all")
    samples = sorted({int(value) for value in table["samples"].dropna()})
    note = (
        f"{label} [{findings.metric['signature']}] over {' / '.join(map(str, samples))} test samples. Intervals: "
        f"paired bootstrap over test samples, {findings.resamples} resamples; p-values: two-sided, with Holm's "
        "correction over the tuned models. Verdict: no difference where the interval of the gain holds zero. A value "
        "after ± is the standard deviation over seeds. Columns marked (paper) and rows marked (quoted) are the "
        "paper's. Gain: difference to the untuned model, and relative to it. Steps: of the best checkpoint. Where each "
        "score comes from: the column predictions of the CSV."
    )
    write_table(table, shown, f"Model comparison on {label}", note, outputs)


def _without_leaked(table: pd.DataFrame, label: str, digits: int) -> dict[str, list[str | None]]:
    """The column of scores without test samples that have a near-duplicate in training, if there are such samples."""
    count = int(table["leaked"].fillna(0).max())
    if count == 0:
        return {}
    return {
        f"{label} without {count} leaked": [format_number(value, digits) for value in table["score_without_leaked"]]
    }


def _title(row: "pd.Series[Any]") -> str:
    if row["source"] != "this study":
        return f"{row['model']} (quoted)"
    return f"{row['model']} ({row['method']})"


def _gain(row: "pd.Series[Any]", digits: int) -> str | None:
    gain, percent = row["gain"], row["gain_percent"]
    if gain is None or pd.isna(gain):
        return None
    return f"{gain:+.{digits}f}" + ("" if percent is None or pd.isna(percent) else f" ({percent:+.1f} %)")
