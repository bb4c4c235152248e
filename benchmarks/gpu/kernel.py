"""A kernel that shows that Triton can compile for this GPU. It imports Triton, which is there on GPUs alone."""

import torch
import triton
import triton.language as tl

BLOCK = 256


@triton.jit
def _double(source, target, count, block: tl.constexpr):
    places = tl.program_id(0) * block + tl.arange(0, block)
    inside = places < count
    tl.store(target + places, tl.load(source + places, mask=inside) * 2, mask=inside)


def doubled(numbers: torch.Tensor) -> torch.Tensor:
    """Twice the numbers."""
    target = torch.empty_like(numbers)
    _double[(triton.cdiv(numbers.numel(), BLOCK),)](numbers, target, numbers.numel(), block=BLOCK)
    return target
