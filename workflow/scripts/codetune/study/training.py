"""The noun TrainingPlan: all settings on which a training depends, each resolved once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.method import Quantization, TuningSettings
from codetune.study.model import Memory, Source

NO_PATIENCE = "none"  # as the config says that all epochs are done
MEMORY = ("micro_batch", "gradient_checkpointing")  # settings that are of `Memory`, in whichever level they stand


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one run's optimisation.

    Attributes:
        learning_rate: Highest learning rate.
        schedule: Schedule of the learning rate: cosine, linear or constant.
        warmup_steps: Steps in which the learning rate rises to its highest value; below 1, their share of all steps.
        weight_decay: Weight decay of the optimizer.
        max_grad_norm: Norm to which gradients are clipped.
        evaluations_per_epoch: Validations per epoch, after each of which a checkpoint is kept.
        patience: Validations without a lower loss after which training stops; None if it never stops early.
        batch_size: Training sequences per optimizer step.
        epochs: Most passes over the training samples.
        max_length: Most tokens per sample, and per packed sequence.
        optimizer: adamw, adafactor, or adamw_8bit: AdamW with its moments in 8 bits.
        precision: Type in which trained parameters are held: float32; or bfloat16, with updates that are rounded
            stochastically.
        packing: Whether a training sequence holds several samples, which do not see each other, or one.
    """

    learning_rate: float
    schedule: str
    warmup_steps: float
    weight_decay: float
    max_grad_norm: float
    evaluations_per_epoch: int
    patience: int | None
    batch_size: int
    epochs: int
    max_length: int
    optimizer: str = "adamw"
    precision: str = "float32"
    packing: bool = True

    @property
    def capacity(self) -> int | None:
        """Most tokens of a training sequence; None where each sample has a sequence of its own."""
        return self.max_length if self.packing else None


@dataclass(frozen=True)
class TrainingPlan:
    """All of the config on which a training depends: no other change of the config retrains the model.

    Attributes:
        source: Where the base model's checkpoint comes from.
        memory: Settings with which the training fits on a GPU.
        tuning: What is trained.
        quantization: Quantisation of the frozen weights.
        settings: Settings of the optimisation.
        seed: Seed of the initial values of what is trained, of dropout and of the order of the samples.
    """

    source: Source
    memory: Memory
    tuning: TuningSettings
    quantization: Quantization
    settings: TrainingSettings
    seed: int


def resolve_settings(*levels: Mapping[str, Any]) -> tuple[TrainingSettings, Memory]:
    """Merges training settings; later levels override earlier ones.

    Args:
        levels: The settings of the study, then of the model, then of the method.
    """
    merged = {key: value for level in levels for key, value in level.items()}
    memory = Memory(**{key: merged.pop(key) for key in MEMORY if key in merged})
    patience = None if merged["patience"] == NO_PATIENCE else merged["patience"]
    return TrainingSettings(**merged | {"patience": patience}), memory


def check_plan(method: str, model: str, plan: TrainingPlan) -> None:
    """Checks what no schema can say of a training's settings.

    Raises:
        StudyError: Two of them exclude each other, or one means nothing.
    """
    settings = plan.settings
    if plan.tuning.kind == "full" and (settings.precision, plan.quantization.compute_dtype) == ("bfloat16", "float32"):
        raise StudyError(
            f"config: methods.{method}: a model whose weights are in bfloat16 cannot compute in float32. Change "
            "'precision' of its training, or 'quantization.compute_dtype'."
        )
    if settings.warmup_steps > 1 and settings.warmup_steps != int(settings.warmup_steps):
        raise StudyError(
            f"config: training.warmup_steps: {settings.warmup_steps:g} is neither a number of steps nor a share of all "
            f"steps below 1 (method {method}, model {model}). Change it."
        )
    if settings.batch_size % plan.memory.micro_batch:
        raise StudyError(
            f"config: models.{model}: batch_size {settings.batch_size} is not a multiple of micro_batch "
            f"{plan.memory.micro_batch} (method {method}). Change one of the two."
        )
