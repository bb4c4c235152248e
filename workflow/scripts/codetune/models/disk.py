"""The disk space that a study takes, estimated before anything is downloaded. No job uses it."""

import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import MISSHAPEN, read_json
from codetune.models.shapes import lora_parameters
from codetune.study import layout
from codetune.study.model import Model
from codetune.study.runs import Run
from codetune.study.study import Study

BYTES_PER_WEIGHT = 2  # of a checkpoint on the hub, in bfloat16
BYTES = {"float32": 4, "bfloat16": 2}  # of a number
# Of an optimizer's state, per trained weight. Adafactor's is one number per row and column; AdamW's in 8 bits has those
# of embeddings in float32, and is estimated as for a model a third of which is embeddings.
BYTES_OF_MOMENTS = {"adamw": 8, "adafactor": 0, "adamw_8bit": 4}
# LoRA on all seven projections has about this many weights per rank for a model of a billion parameters, and the number
# grows with the parameters' power of 2/3, since they grow with width^3 and LoRA's with width^2. That is within 25 % for
# each of the paper's models, and within 2 % for all five together.
WEIGHTS_PER_RANK, PROJECTIONS = 0.75e6, 7
FUSED = {"qkv_proj": 3, "gate_up_proj": 2}  # projections in one matrix, at most


def describe_disk(study: Study, keeps_checkpoints: bool, budget: float) -> str:
    """Says how much space a study takes: what is downloaded, and what its trainings make.

    Predictions, token sets and logs are left out: they take some megabytes per run.

    Args:
        study: The study.
        keeps_checkpoints: Whether the checkpoint of each evaluation is kept after the curve is drawn.
        budget: Most GB of the checkpoints of one training.
    """
    trainings = study.trainings
    kept = "kept" if keeps_checkpoints else "each until its curve is drawn"
    most = f"at most {budget:g} GB per training, checkpoints_gb"
    parts = {
        "to download": sum(_download_bytes(study.models[model]) for model in study.used_models),
        "of adapters": sum(_tuned_bytes(study, run) for run in trainings if not _is_full(study, run)),
        "of models tuned as a whole": sum(_tuned_bytes(study, run) for run in trainings if _is_full(study, run)),
        f"of checkpoints for the curves ({kept}; keep_checkpoints; {most})": sum(
            _checkpoint_bytes(study, run, budget) for run in trainings
        ),
        "of states while a whole model is tuned": 2 * max((state_bytes(study, run) for run in trainings), default=0.0),
    }
    shown = ", ".join(f"{_size(count)} {what}" for what, count in parts.items() if count)
    total = f"Disk: up to {_size(sum(parts.values()))} for this study, with what is there already"
    unknown = dict.fromkeys(run.method.partition("@")[0] for run in trainings if _is_unknown(study, run))
    more = f" Not counted: the checkpoints of {', '.join(unknown)}, mostly megabytes each." if unknown else ""
    return (f"{total}: {shown}." if shown else f"{total}.") + more


def describe_shortage(
    study: Study, models: Iterable[str], trainings: Collection[Run], budget: float, resources: str, results: str
) -> str | None:
    """Says that a disk has less space than what is still to come may take; None if it has enough.

    Args:
        study: The study.
        models: Names of the models whose checkpoints are still to be downloaded.
        trainings: The runs, or trials of a search, that are still to be trained.
        budget: Most GB of the checkpoints of one training.
        resources: The folder of downloads.
        results: The folder of results.
    """
    made = sum(_tuned_bytes(study, run) + _checkpoint_bytes(study, run, budget) for run in trainings)
    needed = {results: made + 2 * max((state_bytes(study, run) for run in trainings), default=0.0)}
    disks: dict[int, list[str]] = {}
    with suppress(OSError):  # a folder that cannot be looked at, or that another project changes: the jobs will say so
        arriving = sum(_download_bytes(study.models[model]) - _arrived(resources, model) for model in models)
        needed = {resources: arriving} | needed
        for folder in needed:
            disks.setdefault(_existing(folder).stat().st_dev, []).append(folder)
        for folders in disks.values():
            wanted, free = sum(needed[folder] for folder in folders), shutil.disk_usage(_existing(folders[0])).free
            if wanted > free:
                return (
                    f"Disk: up to {_size(wanted)} are still to come into {' and '.join(folders)}, where {_size(free)} "
                    "are free. Free some space, or name folders on a larger disk in the config."
                )
    return None


def _existing(folder: str) -> Path:
    """The folder, or what is there of the path to it."""
    return next(place for place in (Path(folder), *Path(folder).absolute().parents) if place.exists())


def _arrived(resources: str, model: str) -> int:
    """Bytes of a checkpoint whose download was interrupted."""
    target = (Path(resources) / layout.CHECKPOINT.format(model=model)).parent
    return sum(path.stat().st_size for path in target.with_name(target.name + ".partial").rglob("*") if path.is_file())


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _download_bytes(model: Model) -> float:
    """A local checkpoint is linked, not copied."""
    return 0 if model.source.path else model.parameters * 1e9 * BYTES_PER_WEIGHT


def _is_full(study: Study, run: Run) -> bool:
    return study.method_of(run).kind == "full"


def _is_unknown(study: Study, run: Run) -> bool:
    """Whether nothing is known of the size of what a method trains."""
    return not _is_full(study, run) and study.for_training(run).tuning.type != "LORA"


def _tuned_bytes(study: Study, run: Run) -> float:
    """Of one checkpoint, 0 where that is not known. A whole model's is saved in the compute type."""
    plan, model = study.for_training(run), study.models[run.model]
    if _is_full(study, run):
        return model.parameters * 1e9 * BYTES[plan.quantization.compute_dtype]
    if _is_unknown(study, run):
        return 0.0
    peft = plan.tuning.peft
    rank, modules = peft.get("r", 0), peft.get("target_modules") or []
    if model.source.path:
        with suppress(StudyError, OSError, *MISSHAPEN):  # whoever reads the checkpoint will say what is wrong with it
            config = read_json(Path(model.source.path) / "config.json")
            if (count := lora_parameters(config, rank, modules)) is not None:
                return count * BYTES["float32"]
    size: float = model.parameters ** (2 / 3)
    named = not isinstance(modules, str)  # else all of them, or a part of them that has no names here
    projections = sum(FUSED.get(name, 1) for name in modules) if named else PROJECTIONS
    size *= projections / PROJECTIONS
    return float(rank * WEIGHTS_PER_RANK * size * BYTES["float32"])


def _checkpoint_bytes(study: Study, run: Run, budget: float) -> float:
    """Of all checkpoints of a training that are kept; two find room in any case (training/states.py)."""
    one = _tuned_bytes(study, run)
    return min(one * _evaluations(study, run), max(budget * 1e9, 2 * one))


def state_bytes(study: Study, run: Run) -> float:
    """Of a state of a whole model's training, two of which are there while one takes the place of the other.

    An adapter's are too small to count.
    """
    if not _is_full(study, run):
        return 0.0
    settings, weights = study.for_training(run).settings, study.models[run.model].parameters * 1e9
    return weights * (BYTES[settings.precision] + BYTES_OF_MOMENTS[settings.optimizer])


def _evaluations(study: Study, run: Run) -> int:
    """The most evaluations of a training; it may stop earlier."""
    settings = study.for_training(run).settings
    return settings.epochs * settings.evaluations_per_epoch
