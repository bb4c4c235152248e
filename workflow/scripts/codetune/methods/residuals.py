"""LoRA that takes its first values out of the weights beside it (PiSSA, OLoRA), saved as LoRA beside the whole weights.

A later load would have to take the same values out again, on another device or by another draw.
"""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

REMOVING = ("pissa", "olora")  # first letters of values of init_lora_weights


def removed_parts(model: Any) -> dict[str, torch.Tensor]:
    """The fresh adapter's factors, of which the product was taken out of the weights; none where nothing was.

    Args:
        model: A model of PEFT, as it was made.

    Returns:
        By the names that PEFT saves them under.
    """
    start = getattr(model.peft_config["default"], "init_lora_weights", None)
    if not isinstance(start, str) or not start.lower().startswith(REMOVING):
        return {}
    return {
        name: one.detach().cpu().clone()
        for name, one in get_peft_model_state_dict(model).items()
        if ".lora_A." in name or ".lora_B." in name
    }


def put_back(removed: dict[str, torch.Tensor], file: Path, config: LoraConfig) -> LoraConfig:
    """Subtracts what was taken out of the weights from a saved adapter, whose rank doubles: BA - B0 A0 (PEFT's way).

    Args:
        removed: What `removed_parts` found.
        file: The saved weights, which are replaced.
        config: The adapter's configuration; it is changed.

    Returns:
        The configuration of what is now saved.
    """
    weights = load_file(file)
    for name, part in removed.items():
        above = ".lora_A." in name
        weights[name] = torch.cat([weights[name], part if above else -part], dim=0 if above else 1)
    save_file(weights, file, metadata={"format": "pt"})
    factor = 2**0.5 if config.use_rslora else 2  # so that the scale stays as it is
    config.init_lora_weights = True
    config.r, config.lora_alpha = 2 * config.r, factor * config.lora_alpha
    config.rank_pattern = {name: 2 * rank for name, rank in config.rank_pattern.items()}
    config.alpha_pattern = {name: factor * alpha for name, alpha in config.alpha_pattern.items()}
    return config
