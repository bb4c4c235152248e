"""Table 1: training settings, declared and computed."""

from pathlib import Path

import pandas as pd

from codetune.base.files import Row, read_json
from codetune.models.shapes import lora_parameters
from codetune.prompts.packing import steps_per_epoch
from codetune.report.cells import format_millions, in_paper_order, varying_columns
from codetune.report.writing import write_table


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
    return in_paper_order(rows, [(row["model"],) for row in paper["table1"]], [(run["model"],) for run in runs])


def write_table1(table: pd.DataFrame, outputs: dict[str, str]) -> None:
    """Writes Table 1 as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    ranks = [str(name).removeprefix("trainable_r") for name in table if str(name).startswith("trainable_r")]
    shown = pd.DataFrame(
        {
            **varying_columns(table, "dataset", "method"),
            "Model": table["model"],
            "Params (paper)": table["paper_params"],
            "Batch": table["batch_size"],
            "Epochs": table["epochs"],
            "Trainable (paper)": table["paper_trainable"],
            **{f"Trainable, r={r}": table[f"trainable_r{r}"].map(format_millions) for r in ranks},
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
    write_table(table, shown, "Training hyperparameters", note, outputs)
