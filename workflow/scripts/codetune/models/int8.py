"""LLM.int8 (Dettmers et al. 2022, section 3), computed for each token alone."""

from typing import Any

import torch
from bitsandbytes.nn import Linear8bitLt
from torch.nn.functional import linear

OUTLIER = 6.0  # inputs from this magnitude on are multiplied in the compute type (their section 3.1, and the library)
INTEGER_MM = torch.ops.bitsandbytes.int8_linear_matmul
QUANTIZE, DEQUANTIZE = torch.ops.bitsandbytes.int8_vectorwise_quant, torch.ops.bitsandbytes.int8_vectorwise_dequant
STEPS = 127  # from zero to the largest number of a row


class TokenwiseInt8(Linear8bitLt):  # type: ignore[misc]
    """A linear layer of bitsandbytes in 8 bits, whose product for a token depends on no other token.

    bitsandbytes takes a column of inputs out of the 8-bit product as soon as one token of the batch has an outlier in
    it: on a real model of 135 million parameters, logits then differ by 7 % with the texts that lie in the batch. On a
    CPU it quantises inputs in evaluation mode only, so that another model is trained than is evaluated: 6 %. Here each
    token has outliers of its own, on every device and in both modes. For one token alone the result is the library's,
    up to rounding.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiplies; a backward pass takes the rounding of the inputs for none, as the library does."""
        rows = x.reshape(-1, x.shape[-1])
        product: torch.Tensor = _Product.apply(rows, self.weight.data, self.state.SCB)
        product = product.view(*x.shape[:-1], -1)  # out here, so that an adapter may add to it in place
        return product if self.bias is None else product + self.bias.to(product.dtype)


class _Product(torch.autograd.Function):  # type: ignore[misc]
    """The product of inputs with a weight in 8 bits, which needs no gradient."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        ctx.weight = codes, scale
        half = rows.to(torch.float16)  # as the library's kernel takes them
        outliers = half.abs() >= OUTLIER
        rounded, largest, _ = QUANTIZE(half.masked_fill(outliers, 0))
        # The library rounds this to fp16 on a GPU, and has a constant on a CPU that is off by 2e-5.
        product = (INTEGER_MM(rounded, codes) * (largest[:, None] / STEPS) * (scale / STEPS)).to(rows.dtype)
        # Over all columns, not those of this batch's outliers: then each token's sum is made in the same way.
        product += linear(rows.masked_fill(~outliers, 0), DEQUANTIZE(codes, scale).to(rows.dtype))
        return product

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient @ DEQUANTIZE(*ctx.weight).to(gradient.dtype), None, None


def multiply_by_token(model: torch.nn.Module) -> None:
    """Makes the 8-bit layers of a model, as loaded, multiply each token alone."""
    for module in linear_8bit(model):
        module.init_8bit_state()
        module.__class__ = TokenwiseInt8


def linear_8bit(model: torch.nn.Module) -> list[Any]:
    """Returns the linear layers whose weights are held in 8 bits."""
    return [module for module in model.modules() if is_linear_8bit(module)]


def is_linear_8bit(module: torch.nn.Module) -> bool:
    """Whether a module is a linear layer whose weights are held in 8 bits."""
    return isinstance(module, Linear8bitLt)
