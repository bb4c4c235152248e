"""The table of costs: what each system trains, and the memory, time and disk that it takes."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from codetune.base.files import Row
from codetune.base.machine import PeakMemory
from codetune.base.manifests import read_manifest
from codetune.report.cells import table_of, varying_columns
from codetune.report.format import format_millions, format_number, format_percent, format_whole
from codetune.report.rows import in_reading_order
from codetune.report.writing import write_forms
from codetune.study.facts import TrainingFacts
from codetune.study.record import Record
from codetune.study.sizes import SizeFacts

# What the memory of a training depends on, in words.
WORDS = {"Micro_batch": "sequences at once", "Checkpointing": "computed twice"}


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """A row of the CSV. Times and speeds are means over seeds, memory is the most that one of them took.

    Attributes:
        data: Name of the training data; `none` where there are none.
        model: Label of the model.
        method: Name of the method.
        quantization: How the frozen weights are held.
        seeds: How many.
        trainable: Number of trained parameters.
        trainable_percent: Of all parameters, with those that the method adds.
        micro_batch: Training sequences at once, at the end.
        checkpointing: `yes` where activations were computed twice instead of kept.
        training_seconds: Duration of the training, with evaluations.
        search_seconds: Duration of all trials together, where the training was chosen from several.
        training_tokens_per_second: Without evaluations.
        training_joules: Energy that the GPU used, where it was measured.
        training_memory: Peak in bytes: reserved on a GPU, or resident.
        training_memory_allocated: On a GPU, the peak of what tensors took.
        generation_seconds: Duration of decoding, over all test sets.
        generation_tokens_per_second: Generated tokens in that time.
        generation_memory: Peak in bytes, as for the training.
        generation_memory_allocated: On a GPU, the peak of what tensors took.
        memory_of: Whose memory it is: `GPU` or `process`.
        tuned_bytes: Size of the files with what was trained.
    """

    data: str
    model: str
    method: str
    quantization: str | None
    seeds: int
    trainable: int | None = None
    trainable_percent: float | None = None
    micro_batch: int | None = None
    checkpointing: str | None = None
    training_seconds: float | None = None
    search_seconds: float | None = None
    training_tokens_per_second: float | None = None
    training_joules: float | None = None
    training_memory: int | None = None
    training_memory_allocated: int | None = None
    generation_seconds: float
    generation_tokens_per_second: float | None
    generation_memory: int | None
    generation_memory_allocated: int | None
    memory_of: str
    tuned_bytes: int | None = None


def cost_table(records: Sequence[Record], tuned: Sequence[str], sizes: Sequence[SizeFacts]) -> pd.DataFrame:
    """What each system costs.

    Args:
        records: Of all runs with a model.
        tuned: For each record of a training, in the same order, the manifest of the folder with what was trained.
        sizes: How much is trained of each model.

    Returns:
        Rows of `CostRow`, in the order of `in_reading_order`.
    """
    trained = [record for record in records if record.training is not None]
    folders = dict(zip((record.run for record in trained), tuned, strict=True))
    disk = {run: sum(file.bytes for file in read_manifest(path).files.values()) for run, path in folders.items()}
    of_model = {one.model: one for one in sizes}
    return table_of(
        asdict(_row(seeds, of_model, [disk[record.run] for record in seeds if record.run in disk]))
        for seeds in in_reading_order(records)
    )


def _row(seeds: Sequence[Record], sizes: Mapping[str, SizeFacts], disk: Sequence[int]) -> CostRow:
    """One row, of the records of a system."""
    first = seeds[0]
    generations = [[one.generation for one in record.tests.values() if one.generation] for record in seeds]
    trainings = [record.training for record in seeds if record.training is not None]
    searches = [record.search.seconds for record in seeds if record.search is not None]
    seconds = statistics.fmean(sum(facts.seconds for facts in of_seed) for of_seed in generations)
    tokens = statistics.fmean(sum(facts.tokens for facts in of_seed) for of_seed in generations)
    peaks = [facts.peak_memory for of_seed in generations for facts in of_seed]
    of_training = [facts.cost.peak_memory for facts in trainings]
    return CostRow(
        data=first.run.data,
        model=first.model.label,
        method=first.run.method,
        quantization=first.method.quantization.type if first.method.quantization else None,
        seeds=len(seeds),
        **(_of_trainings(trainings, searches, sizes[first.run.model]) if trainings else {}),
        generation_seconds=seconds,
        generation_tokens_per_second=tokens / seconds if seconds else None,
        generation_memory=_highest(peaks),
        generation_memory_allocated=_highest_allocated(peaks),
        memory_of="/".join(sorted({peak.of for peak in [*peaks, *of_training]})),
        tuned_bytes=max(disk, default=None),
    )


def _of_trainings(trainings: Sequence[TrainingFacts], searches: Sequence[float], sizes: SizeFacts) -> Row:
    """The fields about training, of the trainings of a system and the durations of its searches."""
    size, costs = sizes.size_of(trainings[0].plan.tuning), [facts.cost for facts in trainings]
    joules = [cost.energy_joules for cost in costs if cost.energy_joules is not None]
    peaks = [cost.peak_memory for cost in costs]
    return {
        "trainable": size.trainable,
        "trainable_percent": size.percent,
        "micro_batch": min(cost.micro_batch for cost in costs),
        "checkpointing": "yes" if trainings[0].plan.memory.gradient_checkpointing else "no",
        "training_seconds": statistics.fmean(cost.seconds for cost in costs),
        "search_seconds": statistics.fmean(searches) if searches else None,
        "training_tokens_per_second": statistics.fmean(cost.tokens_per_second for cost in costs),
        "training_joules": statistics.fmean(joules) if len(joules) == len(costs) else None,
        "training_memory": _highest(peaks),
        "training_memory_allocated": _highest_allocated(peaks),
    }


def _highest(peaks: Sequence[PeakMemory]) -> int | None:
    return max((peak.bytes for peak in peaks), default=None)


def _highest_allocated(peaks: Sequence[PeakMemory]) -> int | None:
    return max((peak.allocated for peak in peaks if peak.allocated is not None), default=None)


def write_costs(table: pd.DataFrame, outputs: Mapping[str, str]) -> None:
    """Writes the table as CSV with plain numbers, and as Markdown and LaTeX for readers."""
    how = varying_columns(table, "micro_batch", "checkpointing")
    shown = pd.DataFrame(
        {
            "Model": table["model"],
            "Method": table["method"],
            **varying_columns(table, "data", "quantization", "seeds"),
            "Trained": table["trainable"].map(format_millions),
            "Trained (%)": table["trainable_percent"].map(format_percent),
            "On disk (MB)": _scaled(table["tuned_bytes"], 1e6, 2),
            **_spent(table, "training"),
            **{f"Training: {WORDS[name]}": of for name, of in how.items()},
            **_spent(table, "generation"),
        }
    )
    empty = [name for name in shown if name not in ("Model", "Method") and shown[name].isna().all()]
    unprinted = [name for name in map(str, shown) if "allocated" in name]
    more = {"Generation": [name for name in map(str, shown) if name.startswith("Generation")]}
    write_forms(table, shown.drop(columns=empty), "What each system costs", _note(table), outputs, more, unprinted)


def _spent(table: pd.DataFrame, stage: str) -> dict[str, "pd.Series[Any]"]:
    """The columns of time, speed and memory of a stage."""
    unit, divisor = ("h", 3600) if (table["training_seconds"].max() or 0) >= 3600 else ("min", 60)
    name = stage.capitalize()
    found = {
        f"{name} ({unit})": _scaled(table[f"{stage}_seconds"], divisor, 2),
        f"{name}: tokens/s": table[f"{stage}_tokens_per_second"].map(format_whole),
        f"{name}: memory (GiB)": _scaled(table[f"{stage}_memory"], 2**30, 2),
        f"{name}: allocated (GiB)": _scaled(table[f"{stage}_memory_allocated"], 2**30, 2),
    }
    if stage == "training":
        found[f"{name} with its search ({unit})"] = _scaled(table["search_seconds"], divisor, 2)
        found[f"{name}: kWh"] = _scaled(table["training_joules"], 3.6e6, 3)
    return found


def _scaled(values: "pd.Series[Any]", divisor: float, digits: int) -> "pd.Series[Any]":
    return values.map(lambda value: None if pd.isna(value) else format_number(value / divisor, digits))


def _note(table: pd.DataFrame) -> str:
    """What stands below the table."""
    whose = set(table["memory_of"])
    memory = {
        "GPU": "Memory is the peak on the GPU: what torch reserved there and, of that, what tensors took (allocated).",
        "process": "Memory is the peak of the whole process, since there was no GPU.",
    }.get(whose.pop() if len(whose) == 1 else "", "Memory is the peak on the GPU, or of a process without one.")
    differs = table["checkpointing"].dropna().nunique() > 1
    apart = (
        " Rows of both kinds do not compare in memory; a prefix cannot be trained with gradient checkpointing."
        if differs
        else ""
    )
    return (
        "Parameters are counted by PEFT on the model without its weights; the per cent is of all, with those "
        "that the method adds. On disk: all files of what was trained, not the model that an adapter stands beside. "
        "Times are those of the jobs, evaluations included, without waiting for a GPU. The speed of training is that "
        f"without evaluations; generation is that of all test sets together. {memory} That of training grows with the "
        "number of sequences at once, which the config sets (micro_batch), and is less where activations are computed "
        f"twice instead of kept (gradient_checkpointing).{apart} Of several seeds, times and speeds are means, and "
        "memory is the most that one of them took."
    )
