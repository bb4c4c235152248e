"""Which trainings need more memory than a GPU of 24 GB has, as worked out beforehand. Needs no torch."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_json
from codetune.study.method import Quantization, TuningSettings
from codetune.study.model import CONFIG, Model
from codetune.study.study import Study
from codetune.study.training import TrainingPlan

GPU_GB = 24.0  # of 1e9 bytes
NAMED = 3  # trainings that the line names
UNMOVED = ("lora_alpha",)  # keys of PEFT that move no memory
HINT = "Lower their micro_batch, set gradient_checkpointing, or take larger GPUs."
MAKE_AGAIN = "Fetch it again from the repository, or make it with `python benchmarks/memory.py`."


def describe_memory(study: Study, table: Path) -> str | None:
    """Says in one line which trainings of a study do not fit on a GPU of 24 GB.

    Args:
        study: The study.
        table: The file of `benchmarks/memory.py`. A training that is not in it is passed over.

    Returns:
        The line; None if all that are in the table fit, or if there is no table.
    """
    known: dict[str, Any] = {"shapes": {}, "trainings": {}}
    needs = {}
    with suppress(StudyError, FileNotFoundError):  # without the table a study is none the worse
        known = read_json(table, MAKE_AGAIN)
    for run in study.planned:
        plan, shapes = study.for_training(run), shapes_of(study.models[run.model], known["shapes"])
        entry = known["trainings"].get(memory_key(shapes, plan)) if shapes else None
        if entry and (gb := needed(entry, plan.memory.micro_batch)) > GPU_GB:
            needs[f"{run.model} {run.method}"] = gb
    if not needs:
        return None
    largest = sorted(needs, key=lambda name: -needs[name])
    named = ", ".join(f"{name} {needs[name]:.0f} GB" for name in largest[:NAMED])
    more = f", and {len(needs) - NAMED} more" if len(needs) > NAMED else ""
    return (
        f"memory: of {len(study.planned)} trainings, {len(needs)} need more than {GPU_GB:.0f} GB: {named}{more}. {HINT}"
    )


def shapes_of(model: Model, known: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The sizes of a model: those of the table by its repository, or those in its folder that the table has, too."""
    if model.source.repo:
        return known.get(model.source.repo)
    if model.source.path is None or not (path := Path(model.source.path) / CONFIG).is_file():
        return None
    own = {}
    with suppress(StudyError):  # which is said when the checkpoint is loaded
        own = read_json(path, MAKE_AGAIN)
    return next((shapes for shapes in known.values() if all(own.get(key) == shapes[key] for key in shapes)), None)


def needed(entry: dict[str, float], micro_batch: int) -> float:
    """GB that a training needs at most: for a micro-batch, or at the end of a step."""
    return max(entry["fixed_gb"] + micro_batch * entry["sequence_gb"], entry["update_gb"])


def memory_key(shapes: dict[str, Any], plan: TrainingPlan) -> str:
    """What a training's memory depends on beside the number of sequences at once, as a hash.

    Args:
        shapes: The model's config.json.
        plan: The training.
    """
    settings = plan.settings
    depends = {
        "shapes": shapes,
        "weights": _weights(plan.quantization),
        "tuning": _tuning(plan.tuning),
        "length": settings.max_length,
        "packing": settings.packing,
        "checkpointing": plan.memory.gradient_checkpointing,
        "optimizer": settings.optimizer,
        "precision": settings.precision,
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def _weights(quantization: Quantization) -> list[Any]:
    in_4_bits = quantization.type in ("nf4", "fp4")
    return ["4 bits" if in_4_bits else quantization.type, in_4_bits and quantization.double, quantization.compute_dtype]


def _tuning(tuning: TuningSettings) -> dict[str, Any]:
    """The keys that move memory: of names the set, and of dropout whether there is any."""
    keys: dict[str, Any] = {"type": tuning.type}
    for key, value in tuning.peft.items():
        if key in UNMOVED or value is None or value is False:
            continue
        if key.endswith("dropout"):
            keys |= {key: True} if value else {}
        else:
            keys[key] = sorted(value, key=str) if isinstance(value, list) else value
    return keys
