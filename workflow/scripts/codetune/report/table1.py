"""Table 1: training settings, declared and computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from codetune.base.files import Row
from codetune.base.plain import from_plain, read_number
from codetune.methods.schedule import share_of_highest
from codetune.models.shapes import lora_parameters, read_layers
from codetune.models.targets import check_architecture
from codetune.prompts.packing import steps_between_evaluations, steps_per_epoch
from codetune.report.cells import (
    format_millions,
    format_number,
    format_whole,
    in_paper_order,
    table_of,
    varying_columns,
)
from codetune.report.writing import write_forms
from codetune.study.runs import System
from codetune.study.training import NO_PATIENCE, TrainingPlan, TrainingSettings

RATE_DIGITS = 3


@dataclass(frozen=True)
class PlannedSystem:
    """A system to train, with the settings of its training.

    Attributes:
        system: The system.
        label: Of its model.
        plan: The settings; those of all its seeds but for the seed.
    """

    system: System
    label: str
    plan: TrainingPlan


def read_plans(entries: Sequence[Row]) -> list[PlannedSystem]:
    """Reads the rule's `plans`.

    Args:
        entries: Each with `system` (data, model, method), `label` and `plan`, all plain.
    """
    return [
        PlannedSystem(
            System(**entry["system"]), entry["label"], from_plain(entry["plan"], TrainingPlan, "plans of table 1")
        )
        for entry in entries
    ]


def table1(plans: Sequence[PlannedSystem], stats: Sequence[str], configs: Sequence[str], paper: Row) -> pd.DataFrame:
    """Training settings: declared by the paper, and computed from architectures and token counts (its Table 1).

    Args:
        plans: The systems to train.
        stats: Path of the token statistics of each system.
        configs: Folder with the config.json of each system's checkpoint.
        paper: What the paper declares.

    Returns:
        One row per system; parameters as plain numbers. The trainable ones have a column per rank. A row fills that of
        its method; and if it is one of the paper's, those of all ranks that the paper may mean.

    Raises:
        StudyError: A model lacks what is to be adapted.
    """
    declared = {row["model"]: row for row in paper["table1"]}
    ranks = [_ranks_of(planned, declared, paper) for planned in plans]
    columns = sorted({rank for own in ranks for rank in own})
    rows = [
        _row(planned, path, read_layers(folder), declared, {rank: rank in own for rank in columns})
        for planned, path, folder, own in zip(plans, stats, configs, ranks, strict=True)
    ]
    return table_of(in_paper_order(rows, [planned.system.model for planned in plans], list(declared)))


def _ranks_of(planned: PlannedSystem, declared: Mapping[str, Row], paper: Row) -> set[int]:
    """Rank of the method. The paper has two, which contradict each other: for its models and modules both are shown."""
    peft = planned.plan.tuning.peft
    modules = set(peft.get("target_modules") or ()) == set(paper["target_modules"])
    of_paper = planned.system.model in declared and modules and peft["r"] in paper["ranks"]
    return {*([peft["r"]] if "r" in peft else []), *(paper["ranks"] if of_paper else ())}


def _row(
    planned: PlannedSystem, stats: str, config: Row, declared: Mapping[str, Row], ranks: Mapping[int, bool]
) -> Row:
    """One row; `stats` counts the training samples, `config` is the checkpoint's, `ranks` tells which ones it fills."""
    packed, samples = (read_number(stats, "parts", "train", name) for name in ("packed_sequences", "samples"))
    quoted = declared.get(planned.system.model, {})
    peft, settings = planned.plan.tuning.peft, planned.plan.settings
    modules = peft.get("target_modules") or []
    epoch, unpacked = (steps_per_epoch(count, settings.batch_size) for count in (packed, samples))
    if peft:
        check_architecture(peft, config, planned.label)
    return {
        "data": planned.system.data,
        "model": planned.label,
        "method": planned.system.method,
        "paper_params": quoted.get("params"),
        "batch_size": settings.batch_size,
        "paper_epochs": quoted.get("epochs"),
        "epochs": settings.epochs,
        "schedule": settings.schedule,
        "patience": settings.patience,
        "rate_left": _rate_left(settings, epoch if settings.packing else unpacked),
        "rank": peft.get("r"),
        "paper_trainable": quoted.get("trainable"),
        **{f"trainable_r{r}": lora_parameters(config, r, modules) if own else None for r, own in ranks.items()},
        "paper_steps": quoted.get("steps"),
        "steps_packed": settings.epochs * epoch,
        "steps_unpacked": settings.epochs * unpacked,
    }


def _rate_left(settings: TrainingSettings, epoch: int) -> float | None:
    """Share of the highest learning rate after as many validations as the patience; None if there are not so many."""
    steps = settings.epochs * epoch
    waited = (settings.patience or steps) * steps_between_evaluations(epoch, settings.evaluations_per_epoch)
    return share_of_highest(settings.schedule, settings.warmup_steps, waited, steps) if waited < steps else None


def write_table1(table: pd.DataFrame, outputs: Mapping[str, str]) -> None:
    """Writes Table 1 as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    ranks = [str(name).removeprefix("trainable_r") for name in table if str(name).startswith("trainable_r")]
    shown = pd.DataFrame(
        {
            **varying_columns(table, "data", "method"),
            "Model": table["model"],
            "Params (paper)": table["paper_params"],
            "Batch": table["batch_size"].map(format_whole),
            "Epochs planned": table["epochs"].map(format_whole),
            "Patience": table["patience"].map(lambda count: format_whole(count) or NO_PATIENCE),
            "Rate left": table["rate_left"].map(lambda share: format_number(share, RATE_DIGITS)),
            "Trainable (paper)": table["paper_trainable"],
            **{f"Trainable, r={r}": table[f"trainable_r{r}"].map(format_millions) for r in ranks},
            "Steps (paper)": table["paper_steps"].map(format_whole),
            "Steps, packed": table["steps_packed"].map(format_whole),
            "Steps, unpacked": table["steps_unpacked"].map(format_whole),
        }
    )
    note = (
        "Columns marked (paper) are quoted. Trainable parameters are computed from the architectures for LoRA on the "
        "configured projections, at the rank of the method and, for the paper's models, at each rank that the paper "
        "names; they are left out where config.json does not tell which layers a model has, and the model card has "
        "their number. Steps are those of all epochs, from the token counts, with samples packed into training "
        "sequences or not. The schedule of the learning rate is laid out over the planned epochs, wherever training "
        "stops. It stops when as many validations in a row as the patience have brought no lower loss (none: never); "
        "rate left is the share of the highest rate that is left after the first so many."
    )
    write_forms(table, shown, "Training hyperparameters", note + _paper_s_rate(table), outputs)


def _paper_s_rate(table: pd.DataFrame) -> str:
    """A sentence on what early stopping leaves of the paper's schedule; nothing where it does not stop before."""
    found = table[["paper_epochs", "patience"]].dropna()
    if found.empty or (found["patience"] >= found["paper_epochs"]).any():
        return ""
    epochs, patience = map(int, found.iloc[0])
    left = format_number(share_of_highest("cosine", 0, patience, epochs), RATE_DIGITS)
    return (
        f" Of the paper's {epochs} epochs with a cosine, {patience} leave {left} of the highest rate: where training "
        "stops early, the cosine has hardly begun."
    )
