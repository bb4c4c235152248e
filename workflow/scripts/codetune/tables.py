"""The paper's tables beside what the study found, as CSV, Markdown and LaTeX."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from codetune.architectures import lora_parameters, steps_per_epoch
from codetune.files import atomic, read_json, write_text

Row = dict[str, Any]


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


def table2(
    runs: list[Row],
    models: dict[str, Row],
    methods: dict[str, Row],
    summaries: list[str],
    records: dict[str, str],
    paper: Row,
) -> pd.DataFrame:
    """ROUGE-L of all runs beside the paper's, in its order (its Table 2).

    Args:
        runs: All runs of the study.
        models: The config's `models`.
        methods: The config's `methods`.
        summaries: Path of each run's summary of scores.
        records: Path of the training record of each tuned run, by the path of its summary.
        paper: What the paper declares.

    Returns:
        Rows that the paper quotes, then one row a (dataset, model, method); scores in [0, 1], the mean over seeds.
        `gain` is the difference to the untuned model on the same data, `gain_percent` the same relative to it.
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for run, path in zip(runs, summaries, strict=True):
        groups.setdefault((run["dataset"], run["model"], run["method"]), []).append(path)
    found = {key: [read_json(path) for path in paths] for key, paths in groups.items()}
    scores = {key: statistics.fmean(summary["f1"] for summary in members) for key, members in found.items()}
    untuned = {key[:2]: score for key, score in scores.items() if "lora" not in methods[key[2]]}
    declared = {(row["model"], row["method"]): row for row in paper["table2"] if "model" in row}
    rows = []
    for key, paths in groups.items():
        dataset, model, method = key
        quoted = declared.get((model, method), {})
        row = {
            "dataset": dataset,
            "model": models[model]["label"],
            "method": method,
            "source": "this study",
            "paper_params": quoted.get("params"),
            "trainable": None,
            "steps": None,
            "seeds": len(paths),
            "samples": found[key][0]["samples"],
            "rouge_l": scores[key],
            "paper_rouge_l": quoted.get("rouge_l"),
            "gain": None,
            "gain_percent": None,
            "paper_gain": _paper_gain(declared, model, method),
            "truncated": statistics.fmean(summary["truncated"] for summary in found[key]),
        }
        gains = _gains(scores[key], untuned.get((dataset, model)), methods[method])
        rows.append(row | _training(paths, records) | gains)
    order = [(row["model"], row["method"]) for row in paper["table2"] if "model" in row]
    ours = _in_order(rows, order, [key[1:] for key in groups])
    theirs = pd.DataFrame([_quoted(row) for row in paper["table2"] if "model" not in row])
    whole = dict.fromkeys(("trainable", "steps", "seeds", "samples"), "Int64")
    return pd.concat([theirs.reindex(columns=ours.columns).astype(object), ours], ignore_index=True).astype(whole)


def _training(paths: list[str], records: dict[str, str]) -> Row:
    """Trainable parameters, and steps to the best checkpoint, mean over seeds; nothing for untuned models."""
    trained = [read_json(records[path]) for path in paths if path in records]
    if not trained:
        return {}
    return {
        "trainable": trained[0]["parameters"]["trainable"],
        "steps": round(statistics.fmean(record["result"]["best_step"] for record in trained)),
    }


def _gains(score: float, base: float | None, method: Row) -> Row:
    if base is None or "lora" not in method:
        return {}
    return {"gain": score - base, "gain_percent": 100 * (score / base - 1) if base else None}


def _quoted(row: Row) -> Row:
    return {
        "model": row["label"],
        "source": "quoted by the paper",
        "paper_params": row["params"],
        "paper_rouge_l": row["rouge_l"],
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


def write_table2(table: pd.DataFrame, outputs: dict[str, str]) -> None:
    """Writes Table 2 as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    shown = pd.DataFrame(
        {
            **_varying(table, "dataset"),
            "Model": [_title(row) for _, row in table.iterrows()],
            "Params (paper)": table["paper_params"],
            "Trainable": table["trainable"].map(_millions),
            "Steps": table["steps"].map(lambda value: None if pd.isna(value) else f"{value:.0f}"),
            **_varying(table, "seeds"),
            "ROUGE-L": table["rouge_l"].map(_score),
            "ROUGE-L (paper)": table["paper_rouge_l"].map(lambda value: None if pd.isna(value) else f"{value:.2f}"),
            "Gain": [_gain(row["gain"], row["gain_percent"]) for _, row in table.iterrows()],
            "Gain (paper)": table["paper_gain"].map(lambda value: None if pd.isna(value) else f"{value:+.2f}"),
        }
    )
    samples = sorted({int(value) for value in table["samples"].dropna()})
    note = (
        f"ROUGE-L F1, mean over {' / '.join(map(str, samples))} test samples. Columns marked (paper) and rows marked "
        "(quoted) are the paper's. Gain: difference to the untuned model, and relative to it. Steps: of the best "
        "checkpoint."
    )
    _write(table, shown, "Model comparison on ROUGE-L", note, outputs)


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


def _score(value: float | None) -> str | None:
    return None if value is None or pd.isna(value) else f"{value:.4f}"


def _gain(gain: float | None, percent: float | None) -> str | None:
    if gain is None or pd.isna(gain):
        return None
    return f"{gain:+.4f}" + ("" if percent is None or pd.isna(percent) else f" ({percent:+.1f} %)")


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
