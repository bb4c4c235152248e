"""All metrics of all runs."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd

from codetune.base.files import Row, read_json
from codetune.evaluation.comparisons import read_comparisons
from codetune.report.cells import digits_of, format_number, group_by_system, varying_columns
from codetune.report.writing import write_table


def metrics_table(runs: list[Row], models: dict[str, Row], summaries: Sequence[str], significance: str) -> pd.DataFrame:
    """Every metric of every (dataset, model, method), one row each, with interval, gain and signature."""
    rows = []
    names = list(read_json(significance)["metrics"])
    findings = {name: read_comparisons(significance, name) for name in names}
    for key, name in product(group_by_system(runs, summaries), names):
        found, gain = findings[name].scores[key], findings[name].gains.get(key, {})
        low, high = gain.get("interval", (None, None))
        rows.append(
            {
                "dataset": key[0],
                "model": models[key[1]]["label"],
                "method": key[2],
                "metric": name,
                "label": findings[name].metric["label"],
                "score": found["score"],
                "score_low": found["interval"][0],
                "score_high": found["interval"][1],
                "gain": gain.get("gain"),
                "gain_low": low,
                "gain_high": high,
                "p_holm": gain.get("p_holm"),
                "verdict": findings[name].gain_in_words(key),
                "signature": findings[name].metric["signature"],
            }
        )
    return pd.DataFrame(rows)


def write_metrics(table: pd.DataFrame, outputs: dict[str, str]) -> None:
    """Writes the table of all metrics: one row a run and one column a metric for readers."""
    labels = dict(zip(table["label"], table["signature"], strict=True))
    highest = {label: 1.0 if (table.loc[table["label"] == label, "score"].max() <= 1) else 100.0 for label in labels}
    rows = []
    for key, group in table.groupby(["dataset", "model", "method"], sort=False):
        cells = {row["label"]: _with_mark(row, digits_of(highest[str(row["label"])])) for _, row in group.iterrows()}
        rows.append({"dataset": key[0], "Model": f"{key[1]} ({key[2]})", **cells})
    shown = pd.DataFrame(rows)
    shown = pd.concat([pd.DataFrame(varying_columns(shown, "dataset")), shown.drop(columns="dataset")], axis="columns")
    note = (
        "+ and - mark tuned models whose gain over the untuned one has an interval above or below zero. Intervals, "
        "gains and p-values are in the CSV. Signatures: "
        + "; ".join(f"{label} [{text}]" for label, text in labels.items())
        + "."
    )
    write_table(table, shown, "All metrics", note, outputs)


def _with_mark(row: "pd.Series[Any]", digits: int) -> str | None:
    mark = {"better": " +", "worse": " -"}.get(str(row["verdict"]), "")
    text = format_number(row["score"], digits)
    return None if text is None else text + mark
