"""How a model is trained: the settings, resolved once, and all that a training depends on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codetune.study.method import Lora, Quantization
from codetune.study.model import Memory, Source


@dataclass(frozen=True)
class TrainingSettings:
    """The optimisation of one run.

    Attributes:
        learning_rate: Its highest value.
        schedule: Of the learning rate: cosine, linear or constant.
        warmup_steps: Steps in which the learning rate rises.
        weight_decay: Of AdamW.
        max_grad_norm: Gradients are clipped to this norm.
        evaluations_per_epoch: Validations per epoch; each keeps a checkpoint.
        patience: Evaluations without a lower validation loss before training stops.
        batch_size: Packed sequences per optimizer step.
        epochs: Passes over the training samples, at most.
        max_length: Tokens of a sample, and of a packed sequence.
    """

    learning_rate: float
    schedule: str
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    evaluations_per_epoch: int
    patience: int
    batch_size: int
    epochs: int
    max_length: int


@dataclass(frozen=True)
class TrainingPlan:
    """All of the config that a training depends on: a change of anything else leaves the model as it is.

    Attributes:
        source: Where the base model comes from.
        memory: What fits on the GPU.
        lora: The adapter.
        quantization: Of the frozen weights.
        settings: Of the optimisation.
        seed: Of the adapter's initial weights, dropout and the order of the samples.
    """

    source: Source
    memory: Memory
    lora: Lora
    quantization: Quantization
    settings: TrainingSettings
    seed: int


def resolve_settings(*levels: Mapping[str, Any]) -> TrainingSettings:
    """Merges training settings; a later level goes before an earlier one: study < model < method."""
    return TrainingSettings(**{key: value for level in levels for key, value in level.items()})
