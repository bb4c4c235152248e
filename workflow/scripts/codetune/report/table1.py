"""Table 1: training settings, declared and computed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from codetune.base.files import Row, read_json
from codetune.base.plain import from_plain, read_number
from codetune.methods.schedule import share_of_highest
from codetune.prompts.packing import steps_between_evaluations, steps_per_epoch
from codetune.report.cells import in_paper_order, table_of, varying_columns
from codetune.report.format import format_millions, format_number, format_percent, format_whole
from codetune.report.writing import write_forms
from codetune.study.method import TuningSettings
from codetune.study.runs import System
from codetune.study.sizes import Size, SizeFacts
from codetune.study.training import NO_PATIENCE, TrainingPlan, TrainingSettings
from codetune.study.tunings import SOFT_PROMPTS, virtual_tokens_of

RATE_DIGITS = 3
# LoRA with these keys alone trains r (inputs + outputs) parameters of each module.
PLAIN_LORA = frozenset({"type", "r", "lora_alpha", "lora_dropout", "target_modules"})
RANK = "trainable_r"  # begins the names of columns with the parameters at a rank


@dataclass(frozen=True)
class PlannedSystem:
    """A system to train, with the settings of its training.

    Attributes:
        system: The system.
        label: Of its model.
        plan: The settings; those of all its seeds but for the seed.
        searched: The searched settings with their values in this trial; empty for a system that searches nothing.
    """

    system: System
    label: str
    plan: TrainingPlan
    searched: Mapping[str, Any] = field(default_factory=dict)


def read_plans(entries: Sequence[Row]) -> list[PlannedSystem]:
    """Reads the rule's `plans`.

    Args:
        entries: Each with `system` (data, model, method), `label`, `plan` and `searched`, all plain.
    """
    return [
        PlannedSystem(
            System(**entry["system"]),
            entry["label"],
            from_plain(entry["plan"], TrainingPlan, "plans of table 1"),
            entry["searched"],
        )
        for entry in entries
    ]


def table1(
    plans: Sequence[PlannedSystem], stats: Sequence[str], sizes: Sequence[SizeFacts], paper: Row
) -> pd.DataFrame:
    """Training settings: declared by the paper, and computed from parameters and token counts (its Table 1).

    Args:
        plans: The systems to train.
        stats: Path of the token statistics of each system.
        sizes: How much is trained of each model.
        paper: What the paper declares.

    Returns:
        One row per system, of a search one per trial; parameters as plain numbers. Where the paper may mean one of
        several ranks, each of them has a column, for its models and modules.
    """
    declared, of_model = {row["model"]: row for row in paper.get("table1", [])}, {one.model: one for one in sizes}
    rows = [
        _row(planned, path, of_model[planned.system.model].size_of(planned.plan.tuning), paper)
        for planned, path in zip(plans, stats, strict=True)
    ]
    columns = dict.fromkeys(name for row in rows for name in row)
    models = [planned.system.model for planned in plans]
    return table_of({name: row.get(name) for name in columns} for row in in_paper_order(rows, models, list(declared)))


def _row(planned: PlannedSystem, stats: str, size: Size, paper: Row) -> Row:
    """One row; `stats` counts the training samples."""
    samples = read_number(stats, "parts", "train", "samples")
    packed = _packed_sequences(planned.plan, stats, samples)
    quoted: Row = next((row for row in paper.get("table1", []) if row["model"] == planned.system.model), {})
    tuning, settings = planned.plan.tuning, planned.plan.settings
    of_lora = quoted if tuning.type == "LORA" else {}  # what the paper trains
    epoch, unpacked = (steps_per_epoch(count, settings.batch_size) for count in (packed, samples))
    return {
        "data": planned.system.data,
        "model": planned.label,
        "method": planned.system.method,
        **_searched(planned),
        "tuning": tuning.type,
        "quantization": planned.plan.quantization.type,
        "paper_params": quoted.get("params"),
        "batch_size": settings.batch_size,
        "paper_epochs": quoted.get("epochs"),
        "epochs": settings.epochs,
        "optimizer": settings.optimizer,
        "precision": settings.precision,
        "learning_rate": settings.learning_rate,
        "schedule": settings.schedule,
        "patience": settings.patience,
        "rate_left": _rate_left(settings, epoch if settings.packing else unpacked),
        "rank": tuning.peft.get("r"),
        "trainable": size.trainable,
        "trainable_percent": size.percent,
        "paper_trainable": of_lora.get("trainable"),
        **(_at_ranks_of_the_paper(tuning, size, paper) if quoted else {}),
        "paper_steps": of_lora.get("steps"),
        "packing": "yes" if settings.packing else "no",
        "steps_packed": settings.epochs * epoch,
        "steps_unpacked": settings.epochs * unpacked,
    }


def _packed_sequences(plan: TrainingPlan, stats: str, samples: int) -> int:
    """Training sequences of packed samples, each with its virtual tokens if the tuning has such.

    With virtual tokens, sequences are taken to be as full as they are without. Of some tens of them the number is then
    right to one in a hundred; hundreds leave more room at the ends of sequences.
    """
    packed, virtual = read_number(stats, "parts", "train", "packed_sequences"), virtual_tokens_of(plan.tuning)
    if not virtual or read_json(stats).get("encoder_decoder"):  # whose samples have rows of their own
        return packed
    tokens = read_number(stats, "parts", "train", "tokens")
    return max(packed, math.ceil(packed * (tokens + virtual * samples) / tokens))


def _at_ranks_of_the_paper(tuning: TuningSettings, size: Size, paper: Row) -> Row:
    """Trainable parameters at each rank that the paper names: it has two, which contradict each other.

    They are proportional to the rank. None for a tuning that is not the paper's at one of its ranks.
    """
    peft, modules = tuning.peft, tuning.peft.get("target_modules")
    is_plain = tuning.type == "LORA" and peft.keys() <= PLAIN_LORA
    is_paper_s = isinstance(modules, list) and set(modules) == set(paper["target_modules"])
    if not (is_plain and is_paper_s and peft.get("r") in paper["ranks"]):
        return {}
    return {f"{RANK}{rank}": size.trainable * rank // peft["r"] for rank in paper["ranks"]}


def _searched(planned: PlannedSystem) -> Row:
    """The column of a study with a search: the values of the trial."""
    values = ", ".join(f"{key} {value}" for key, value in planned.searched.items())
    return {"searched": values} if values else {}


def _rate_left(settings: TrainingSettings, epoch: int) -> float | None:
    """Share of the highest learning rate after as many validations as the patience; None if there are not so many."""
    steps = settings.epochs * epoch
    waited = (settings.patience or steps) * steps_between_evaluations(epoch, settings.evaluations_per_epoch)
    return share_of_highest(settings.schedule, settings.warmup_steps, waited, steps) if waited < steps else None


def write_table1(table: pd.DataFrame, outputs: Mapping[str, str]) -> None:
    """Writes Table 1 as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    rates = table["learning_rate"].nunique()
    shown = pd.DataFrame(
        {
            "Model": table["model"],
            **varying_columns(table, "method", "data"),
            **({"Searched": table["searched"]} if "searched" in table else {}),
            **varying_columns(table, "tuning", "quantization", "optimizer", "precision", "packing"),
            "Params (paper)": table["paper_params"],
            "Batch": table["batch_size"].map(format_whole),
            "Epochs planned": table["epochs"].map(format_whole),
            **({"Learning rate": table["learning_rate"].map("{:g}".format)} if rates > 1 else {}),
            "Patience": table["patience"].map(lambda count: format_whole(count) or NO_PATIENCE),
            "Rate left": table["rate_left"].map(lambda share: format_number(share, RATE_DIGITS)),
            "Trainable (paper)": table["paper_trainable"],
            "Trainable": table["trainable"].map(format_millions),
            "Trainable (%)": table["trainable_percent"].map(format_percent),
            **_other_ranks(table),
            "Steps (paper)": table["paper_steps"].map(format_whole),
            "Steps, packed": table["steps_packed"].map(format_whole),
            "Steps, unpacked": table["steps_unpacked"].map(format_whole),
        }
    )
    note = (
        "Columns marked (paper) are quoted. Trainable parameters are counted by PEFT on the model without its weights; "
        "the per cent is of all parameters, with those that the method adds. Steps are those of all epochs, from the "
        "token counts, with samples packed into training sequences or not. The schedule of the learning rate is laid "
        "out over the planned epochs, wherever training stops. It stops when as many validations in a row as the "
        "patience have brought no lower loss (none: never); rate left is the share of the highest rate that is left "
        "after the first so many."
    )
    if set(table["tuning"]) & SOFT_PROMPTS:
        note += (
            " Virtual tokens take room in packed sequences, which are taken to be as full as without them; the "
            "record of a training has what there was, and how many samples were truncated or dropped for them."
        )
    note += _paper_s_rate(table)
    more = {"Parameters and steps": [name for name in map(str, shown) if name.startswith(("Trainable", "Steps"))]}
    write_forms(table, shown, "Training hyperparameters", note, outputs, more, ["Trainable (%)"])


def _other_ranks(table: pd.DataFrame) -> dict[str, "pd.Series[Any]"]:
    """Columns of the parameters at ranks of the paper, but for a rank that all rows with such a column have."""
    found = {}
    for name in map(str, table):
        rank = name.removeprefix(RANK)
        if name.startswith(RANK) and (table["rank"][table[name].notna()] != int(rank)).any():
            found[f"Trainable, r={rank}"] = table[name].map(format_millions)
    return found


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
