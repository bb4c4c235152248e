"""The machine that a made-up job would have run on: its speed, its memory, its name."""

from dataclasses import replace

from codetune.base.machine import Environment, environment
from codetune.study.method import UNQUANTISED, Quantization
from codetune.study.model import Model
from codetune.study.training import TrainingPlan

GPU = "no GPU: rehearsal"
GB = 10**9
BYTES_PER_WEIGHT = {UNQUANTISED: 2.0, "int8": 1.0}  # of frozen weights; 4 bits take this with their constants:
IN_FOUR_BITS = 0.6


def made_up_environment() -> Environment:
    """The machine and versions of this process, with a GPU that is none."""
    return replace(environment(), gpus=[GPU])


def weights_of(model: Model, quantization: Quantization) -> float:
    """Bytes of a model's frozen weights."""
    return model.parameters * GB * BYTES_PER_WEIGHT.get(quantization.type, IN_FOUR_BITS)


def memory_of(model: Model, plan: TrainingPlan) -> int:
    """Peak memory of a made-up training in bytes."""
    weights = model.parameters * GB * 16 if plan.tuning.kind == "full" else weights_of(model, plan.quantization)
    return int(weights + 1.5 * GB + 2.2 * GB * plan.memory.micro_batch * model.parameters ** (2 / 3))


def speed_of(model: Model, plan: TrainingPlan) -> float:
    """Tokens per second of a made-up training."""
    return 8000 / model.parameters * (1.25 if plan.quantization.type == UNQUANTISED else 1.0)


def decoding_speed_of(model: Model) -> float:
    """Generated tokens per second of a made-up generation."""
    return 1500 / model.parameters
