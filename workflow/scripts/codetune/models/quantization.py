"""Quantised weights: which they are, and how to dequantise those in 4 bits."""

import math
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from transformers import PreTrainedModel

from codetune.base.progress import doing
from codetune.models.device import device, free_memory
from codetune.models.int8 import linear_8bit
from codetune.study.facts import EIGHT_BITS, FOUR_BITS


def dequantize(model: PreTrainedModel, reserve: int) -> None:
    """Replaces 4-bit weights by their dequantised values in the compute type, if there are such, and enough memory.

    Every multiplication with a 4-bit weight dequantises it first, which takes longer than the multiplication itself
    where each sequence has one token. The values are the same, so results differ by the rounding of another kernel at
    most. Weights in 8 bits stay as they are: inputs are rounded for them, so that their dequantised values would be
    another model than the one that was trained.

    Args:
        model: The model as loaded, without an adapter.
        reserve: Bytes of the device's memory that have to stay free.
    """
    weights = sum(module.in_features * module.out_features for module in linear_4bit(model))
    if weights and weights * model.dtype.itemsize <= free_memory() - reserve:
        with doing("dequantising the weights"):
            model.dequantize()


def held_as(model: PreTrainedModel) -> str:
    """How a model's linear layers hold their weights, in the words of `GenerationFacts.weights`."""
    if linear_4bit(model):
        return FOUR_BITS
    return EIGHT_BITS if linear_8bit(model) else str(model.dtype).removeprefix("torch.")


def linear_4bit(model: torch.nn.Module) -> list[Any]:
    """Returns the linear layers whose weights are held in 4 bits."""
    return [module for module in model.modules() if is_linear_4bit(module)]


def is_linear_4bit(module: torch.nn.Module) -> bool:
    """Whether a module is a linear layer whose weights are held in 4 bits."""
    from bitsandbytes.nn import Linear4bit

    return isinstance(module, Linear4bit)


def keep_weights_unpacked(model: torch.nn.Module) -> None:
    """Stops bitsandbytes from repacking 4-bit weights for inference on CPUs with AVX512-BF16.

    The first forward pass in evaluation mode repacks a weight. Later training steps back-propagate through the repacked
    weight, and their gradients are wrong (bitsandbytes 0.50.2). Without repacking, results do not depend on the CPU's
    instruction set either.
    """
    for module in linear_4bit(model):
        module.support_avx512bf16_for_cpu = False


def dequantize_by_blocks_if_needed(model: torch.nn.Module) -> None:
    """Makes a CPU dequantise weights whose rows do not end with a block of 64, if the model has such.

    On CPUs with AVX512, bitsandbytes 0.50.2 takes the constants of other blocks for them wherever the number of inputs
    is a multiple of 16 and not of 64: the weights are off by a quarter of their norm instead of a tenth. All other
    weights are dequantised as before.
    """
    shapes = [(module.in_features, module.weight.quant_state.blocksize) for module in linear_4bit(model)]
    if device() == "cpu" and any(inputs % block for inputs, block in shapes):
        _dequantize_by_blocks()


@cache
def _dequantize_by_blocks() -> Any:
    """Replaces the CPU's kernel, once in a process, by one that passes on a weight as blocks instead of rows.

    Returns:
        What holds the new kernel, which goes with it.
    """
    kernel = torch.library.get_kernel("bitsandbytes::dequantize_4bit", "CPU")

    def by_blocks(
        keys: Any, a: Any, absmax: Any, block: int, kind: str, shape: Sequence[int], dtype: torch.dtype
    ) -> Any:
        if shape[-1] % block == 0:
            return kernel.call_boxed(keys, a, absmax, block, kind, shape, dtype)
        count = math.prod(shape)
        blocks = (1, count) if count % block else (count // block, block)
        return kernel.call_boxed(keys, a, absmax, block, kind, blocks, dtype).view(shape)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a kernel is replaced
        library = torch.library.Library("bitsandbytes", "IMPL")
        library.impl("dequantize_4bit", by_blocks, "CPU", with_keyset=True, allow_override=True)
    return library
