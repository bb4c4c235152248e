"""What types of PEFT add to the loss.

PEFT adds it in the model's own forward or asks a training loop to add it. TRL computes the loss from log-probabilities,
which do not hold it.
"""

from typing import Any

import torch


def penalty(model: Any) -> torch.Tensor | None:
    """The sum that is added to the mean loss of a step, None if nothing is.

    Args:
        model: A model of PEFT.
    """
    config = model.peft_config["default"]
    if config.peft_type == "ADALORA" and config.orth_reg_weight:
        return _orthogonality(model, config.orth_reg_weight)
    if getattr(config, "kasa_config", None) is not None:
        added: torch.Tensor = model.base_model._get_kasa_loss()
        return added
    return None


def _orthogonality(model: Any, weight: float) -> torch.Tensor:
    """How far AdaLoRA's factors are from orthogonal ones (Zhang et al. 2023, equation 4), as PEFT computes it."""
    factors = [
        parameter if "lora_A" in name else parameter.T
        for name, parameter in model.named_parameters()
        if "lora_A" in name or "lora_B" in name
    ]
    off = [torch.norm(one @ one.T - torch.eye(len(one), dtype=one.dtype, device=one.device)) for one in factors]
    return weight * torch.stack(off).mean()
