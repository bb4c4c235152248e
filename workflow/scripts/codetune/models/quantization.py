"""Weights in 4 bits, and back."""

from typing import Any

import torch
from transformers import PreTrainedModel

from codetune.models.device import free_memory


def dequantize(model: PreTrainedModel, reserve: int) -> bool:
    """Turns the 4-bit weights into the same numbers in the compute type, if that leaves memory enough.

    Every multiplication with a 4-bit weight makes these numbers anew, which for one token a sequence takes longer than
    the multiplication. So this changes no result beyond the rounding of another kernel.

    Args:
        model: As loaded, without an adapter.
        reserve: Bytes of the device's memory to be left.

    Returns:
        Whether it was done.
    """
    weights = sum(module.in_features * module.out_features for module in linear_4bit(model))
    if weights * model.dtype.itemsize > free_memory() - reserve:
        return False
    model.dequantize()
    return True


def linear_4bit(model: torch.nn.Module) -> list[Any]:
    """The layers whose weights are in 4 bits."""
    from bitsandbytes.nn import Linear4bit

    return [module for module in model.modules() if isinstance(module, Linear4bit)]


def keep_weights_unpacked(model: torch.nn.Module) -> None:
    """Stops bitsandbytes from repacking 4-bit weights for inference on CPUs with AVX512-BF16.

    Its first forward pass in evaluation mode repacks the weight, and later training steps would back-propagate through
    the repacked one: the gradients are wrong from then on (bitsandbytes 0.50.2). Without it the results do not depend
    on the CPU's instruction set either.
    """
    for module in linear_4bit(model):
        module.support_avx512bf16_for_cpu = False
