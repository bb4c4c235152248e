"""What is trained, for the tests."""

from typing import Any

from codetune.study.method import TuningSettings

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def lora(**keys: Any) -> TuningSettings:
    """LoRA of rank 4 on all seven projections without dropout, but for these keys of PEFT."""
    defaults = {"type": "LORA", "r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": PROJECTIONS}
    return TuningSettings("peft", defaults | keys)


FULL = TuningSettings("full")
