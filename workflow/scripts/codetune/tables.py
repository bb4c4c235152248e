"""The paper's tables beside what the study found, as CSV, Markdown and LaTeX."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from codetune.architectures import lora_parameters, steps_per_epoch
from codetune.files import atomic, read_json, write_text

Row = dict[str, Any]
PAPER_METRIC = "rouge_l"  # the one metric that the paper gives


def read_paper(path: str | Path) -> dict[str, Any]:
    """Reads what the paper declares (config/paper.yaml)."""
    paper: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return paper


def table1(
    runs: list[Row], models: dict[str, Row], methods: dict[str, Row], stats: list[str], configs: list[str], paper: Row
) -> pd.DataFrame:
    """Training settings: declared by the paper, and computed from architectures and token counts (its Table 1).

    Args:
        runs: The tuned runs, one a (dataset, model, method).
        models: The config's `models`.
        methods: The config's `methods`.
        stats: Path of the token statistics of each run.
        configs: Folder with the config.json of each run's checkpoint.
        paper: What the paper declares.

    Returns:
        One row a run; parameters as plain numbers.
    """
    declared = {row["model"]: row for row in paper["table1"]}
    rows = []
    for run, stat_path, folder in zip(runs, stats, configs, strict=True):
        model, lora = models[run["model"]], methods[run["method"]]["lora"]
        train = read_json(stat_path)["parts"]["train"]
        config = read_json(Path(folder) / "config.json")
        quoted = declared.get(run["model"], {})
        epochs, batch = model["epochs"], model["batch_size"]
        rows.append(
            {
                "dataset": run["dataset"],
                "model": model["label"],
                "method": run["method"],
                "paper_params": quoted.get("params"),
                "batch_size": batch,
                "epochs": epochs,
                "rank": lora["r"],
                "paper_trainable": quoted.get("trainable"),
                **{f"trainable_r{r}": lora_parameters(config, r, lora["target_modules"]) for r in paper["ranks"]},
                "paper_steps": quoted.get("steps"),
                "steps_packed": epochs * steps_per_epoch(train["packed_sequences"], batch),
                "steps_unpacked": epochs * steps_per_epoch(train["samples"], batch),
            }
        )
    return _in_order(rows, [(row["model"],) for row in paper["table1"]], [(run["model"],) for run in runs])


Key = tuple[str, str, str]  # dataset, model, method


@dataclass(frozen=True)
class Findings:
    """One metric's entries of significance.json.

    Attributes:
        metric: Its label, signature and highest score.
        scores: Score, interval and deviation over seeds of each (dataset, model, method).
        gains: Gain over the untuned model, with interval and p-values, of each tuned one.
        resamples: Number of bootstrap resamples.
    """

    metric: Row
    scores: dict[Key, Row]
    gains: dict[Key, Row]
    resamples: int

    def gain_in_words(self, key: Key) -> str | None:
        """What the interval of a gain says; None where there is no gain."""
        if key not in self.gains:
            return None
        low, high = self.gains[key]["interval"]
        return "better" if low > 0 else "worse" if high < 0 else "no difference"


def read_findings(path: str | Path, metric: str) -> Findings:
    """Reads what significance.json says of one metric."""
    found = read_json(path)

    def by_run(entries: list[Row]) -> dict[Key, Row]:
        return {(e["dataset"], e["model"], e["method"]): e for e in entries if e["metric"] == metric}

    return Findings(found["metrics"][metric], by_run(found["scores"]), by_run(found["gains"]), found["resamples"])


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
    findings = read_findings(significance, metric)
    declared = {(row["model"], row["method"]): row for row in paper["table2"] if "model" in row}
    groups = _groups(runs, summaries)
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
    ours = _in_order(rows, order, [key[1:] for key in groups])
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


def _groups(runs: list[Row], paths: Sequence[str]) -> dict[Key, list[str]]:
    """The paths of the seeds of each (dataset, model, method)."""
    groups: dict[Key, list[str]] = {}
    for run, path in zip(runs, paths, strict=True):
        groups.setdefault((run["dataset"], run["model"], run["method"]), []).append(path)
    return groups


def metrics_table(runs: list[Row], models: dict[str, Row], summaries: Sequence[str], significance: str) -> pd.DataFrame:
    """Every metric of every (dataset, model, method), one row each, with interval, gain and signature."""
    rows = []
    names = list(read_json(significance)["metrics"])
    findings = {name: read_findings(significance, name) for name in names}
    for key, name in product(_groups(runs, summaries), names):
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


def breakdown_table(runs: list[Row], models: dict[str, Row], summaries: Sequence[str], metric: str) -> pd.DataFrame:
    """One metric's score by language and by length of the reference, mean over seeds; one row a class and run."""
    rows = []
    for key, paths in _groups(runs, summaries).items():
        read = [read_json(path) for path in paths]
        for kind in ("by_language", "by_length"):
            for name, part in read[0][kind].items():
                found = [summary[kind][name]["scores"][metric] for summary in read]
                rows.append(
                    {
                        "dataset": key[0],
                        "model": models[key[1]]["label"],
                        "method": key[2],
                        "of": kind.removeprefix("by_"),
                        "class": name,
                        "samples": part["samples"],
                        "score": None if None in found else statistics.fmean(found),
                    }
                )
    return pd.DataFrame(rows)


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


def _in_order(rows: list[Row], order: Sequence[tuple[str, ...]], keys: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    """Rows in the paper's order; those the paper does not have come last, as they came."""
    rank = {key: position for position, key in enumerate(order)}
    ranked = sorted(zip(keys, rows, strict=True), key=lambda pair: rank.get(pair[0], len(rank)))
    return pd.DataFrame([row for _, row in ranked])


def write_table1(table: pd.DataFrame, outputs: dict[str, str]) -> None:
    """Writes Table 1 as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    ranks = [str(name).removeprefix("trainable_r") for name in table if str(name).startswith("trainable_r")]
    shown = pd.DataFrame(
        {
            **_varying(table, "dataset", "method"),
            "Model": table["model"],
            "Params (paper)": table["paper_params"],
            "Batch": table["batch_size"],
            "Epochs": table["epochs"],
            "Trainable (paper)": table["paper_trainable"],
            **{f"Trainable, r={r}": table[f"trainable_r{r}"].map(_millions) for r in ranks},
            "Steps (paper)": table["paper_steps"],
            "Steps, packed": table["steps_packed"],
            "Steps, unpacked": table["steps_unpacked"],
        }
    )
    note = (
        "Columns marked (paper) are quoted. Trainable parameters are computed from the architectures for LoRA on the "
        "configured projections; steps are those of all epochs, from the token counts, with samples packed into "
        "training sequences or not."
    )
    _write(table, shown, "Training hyperparameters", note, outputs)


def write_table2(table: pd.DataFrame, significance: str, metric: str, outputs: dict[str, str]) -> None:
    """Writes Table 2 as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    findings = read_findings(significance, metric)
    label, digits = findings.metric["label"], _digits(findings.metric["highest"])
    shown = pd.DataFrame(
        {
            **_varying(table, "dataset"),
            "Model": [_title(row) for _, row in table.iterrows()],
            "Params (paper)": table["paper_params"],
            "Trainable": table["trainable"].map(_millions),
            "Steps": table["steps"].map(lambda value: None if pd.isna(value) else f"{value:.0f}"),
            **_varying(table, "seeds"),
            label: [_number(row["score"], digits, row["deviation"]) for _, row in table.iterrows()],
            "95 % interval": [_interval(row, "score", digits) for _, row in table.iterrows()],
            **_without_leaked(table, label, digits),
            f"{label} (paper)": table["paper_score"].map(lambda value: None if pd.isna(value) else f"{value:.2f}"),
            "Gain": [_gain(row, digits) for _, row in table.iterrows()],
            "95 % interval of the gain": [_interval(row, "gain", digits, "+") for _, row in table.iterrows()],
            "p (Holm)": table["p_holm"].map(_p),
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
    _write(table, shown, f"Model comparison on {label}", note, outputs)


def _without_leaked(table: pd.DataFrame, label: str, digits: int) -> dict[str, list[str | None]]:
    """The column of scores without test samples that have a near-duplicate in training, if there are such samples."""
    count = int(table["leaked"].fillna(0).max())
    if count == 0:
        return {}
    return {f"{label} without {count} leaked": [_number(value, digits) for value in table["score_without_leaked"]]}


def write_metrics(table: pd.DataFrame, outputs: dict[str, str]) -> None:
    """Writes the table of all metrics: one row a run and one column a metric for readers."""
    labels = dict(zip(table["label"], table["signature"], strict=True))
    highest = {label: 1.0 if (table.loc[table["label"] == label, "score"].max() <= 1) else 100.0 for label in labels}
    rows = []
    for key, group in table.groupby(["dataset", "model", "method"], sort=False):
        cells = {row["label"]: _with_mark(row, _digits(highest[str(row["label"])])) for _, row in group.iterrows()}
        rows.append({"dataset": key[0], "Model": f"{key[1]} ({key[2]})", **cells})
    shown = pd.DataFrame(rows)
    shown = pd.concat([pd.DataFrame(_varying(shown, "dataset")), shown.drop(columns="dataset")], axis="columns")
    note = (
        "+ and - mark tuned models whose gain over the untuned one has an interval above or below zero. Intervals, "
        "gains and p-values are in the CSV. Signatures: "
        + "; ".join(f"{label} [{text}]" for label, text in labels.items())
        + "."
    )
    _write(table, shown, "All metrics", note, outputs)


def write_breakdown(table: pd.DataFrame, metric: str, outputs: dict[str, str]) -> None:
    """Writes the breakdown: one row a class and one column a run for readers."""
    digits = _digits(1.0 if table["score"].max() <= 1 else 100.0)
    shown = table.assign(
        Model=table["model"] + " (" + table["method"] + ")", score=table["score"].map(lambda v: _number(v, digits))
    )
    shown = shown.rename(columns={"of": "By", "class": "Class", "samples": "Samples"})
    wide = shown.pivot_table(
        index=["dataset", "By", "Class", "Samples"], columns="Model", values="score", aggfunc="first", sort=False
    ).reset_index()
    wide = pd.concat([pd.DataFrame(_varying(wide, "dataset")), wide.drop(columns="dataset")], axis="columns")
    note = (
        f"{metric} by language (guessed from the request, else from the reference) and by characters of the reference."
    )
    _write(table, wide, "Breakdown", note, outputs)


def _with_mark(row: "pd.Series[Any]", digits: int) -> str | None:
    mark = {"better": " +", "worse": " -"}.get(str(row["verdict"]), "")
    text = _number(row["score"], digits)
    return None if text is None else text + mark


def _digits(highest: float) -> int:
    return 4 if highest == 1 else 2


def _title(row: "pd.Series[Any]") -> str:
    if row["source"] != "this study":
        return f"{row['model']} (quoted)"
    return f"{row['model']} ({row['method']})"


def _varying(table: pd.DataFrame, *columns: str) -> dict[str, "pd.Series[Any]"]:
    """The columns that tell rows apart, for display: none where all rows agree."""
    return {column.capitalize(): table[column] for column in columns if table[column].dropna().nunique() > 1}


def _millions(value: float | None) -> str | None:
    if value is None or pd.isna(value):
        return None
    return f"{value / 1e6:.2f} M"


def _number(value: float | None, digits: int, deviation: float | None = None) -> str | None:
    if value is None or pd.isna(value):
        return None
    return f"{value:.{digits}f}" + ("" if deviation is None or pd.isna(deviation) else f" ± {deviation:.{digits}f}")


def _interval(row: "pd.Series[Any]", name: str, digits: int, sign: str = "") -> str | None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if pd.isna(low) else f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"


def _p(value: float | None) -> str | None:
    if value is None or pd.isna(value):
        return None
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _gain(row: "pd.Series[Any]", digits: int) -> str | None:
    gain, percent = row["gain"], row["gain_percent"]
    if gain is None or pd.isna(gain):
        return None
    return f"{gain:+.{digits}f}" + ("" if percent is None or pd.isna(percent) else f" ({percent:+.1f} %)")


def _write(table: pd.DataFrame, shown: pd.DataFrame, title: str, note: str, outputs: dict[str, str]) -> None:
    """Writes all three forms; empty cells are dashes for readers and empty in the CSV."""
    with atomic(outputs["csv"]) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    shown = shown.astype(object).where(shown.notna(), "-")
    align = ["left" if name in ("Model", "Dataset", "Method") else "right" for name in shown]
    body = shown.to_markdown(index=False, colalign=align, disable_numparse=True)
    write_text(outputs["md"], f"# {title}\n\n{body}\n\n{note}\n")
    latex = (
        shown.map(_escape)
        .rename(columns=_escape)
        .to_latex(
            index=False,
            escape=False,
            column_format="".join(side[0] for side in align),
            caption=f"{title}. {_escape(note)}",
        )
    )
    write_text(outputs["tex"], latex)


def _escape(value: Any) -> str:
    text = str(value)
    for character in "&%$#_":
        text = text.replace(character, f"\\{character}")
    return text
