"""LLM.int8 as the study computes it, against the same computed by torch alone (Dettmers et al. 2022, section 3)."""

from collections.abc import Iterator
from typing import Any

import torch
from gpu.findings import Finding, Look, tried
from gpu.fourbit import SMALL_SHAPES, random_rows, random_weight, relative, same_bits, study_shapes

# isort: split

from codetune.models.device import device
from codetune.models.int8 import OUTLIER, multiply_by_token

ROWS = (1, 7, 250)
ROUNDING = 2**-7  # sums are exact; what is left is the rounding of scales and results to 16 bits
LOSS = 0.03  # most that quantising weights and inputs to 8 bits changes products of normally distributed numbers


def check_8_bits(small: bool) -> Iterator[Finding]:
    """Looks at products in 8 bits, with inputs that are too large for them and without."""
    shapes = SMALL_SHAPES if small else study_shapes()[:3]
    what = f"{len(shapes)} shapes, rows {', '.join(map(str, ROWS))}"
    expected = f"within {ROUNDING:.1e} of torch's integers, {LOSS} of the exact product"
    yield tried(f"8-bit product, {what}", expected, lambda: _products(shapes))
    expected = f"within {ROUNDING:.1e} of the dequantised weight's; the same bits with other rows beside it"
    yield tried(f"its gradient and its rows, {what}", expected, lambda: _gradients_and_rows(shapes))


def _products(shapes: list[tuple[int, int]]) -> Look:
    own, exact = [], []
    for shape in shapes:
        weight = random_weight(shape, torch.bfloat16, device())
        module = _layer(weight)
        for count in ROWS:
            for outlier in (0, 5 * OUTLIER):
                x = random_rows(count, shape[1], torch.bfloat16)
                x[0, 1] += outlier
                with torch.no_grad():
                    found = module(x)
                own.append(relative(found, by_integers(x, weight)))
                exact.append(relative(found, x.float() @ weight.float().t()))
    return f"{max(own):.1e} and {max(exact):.1e} at most", max(own) < ROUNDING and max(exact) < LOSS


def _gradients_and_rows(shapes: list[tuple[int, int]]) -> Look:
    own, other = [], 0
    for shape in shapes:
        weight = random_weight(shape, torch.bfloat16, device())
        module = _layer(weight)
        x, given = (random_rows(7, size, torch.bfloat16, seed) for seed, size in enumerate(reversed(shape)))
        x[3, 1] += 5 * OUTLIER
        inputs = x.clone().requires_grad_()
        found = module(inputs)
        found.backward(given)
        own.append(relative(inputs.grad, given.float() @ rounded(weight)[0]))
        with torch.no_grad():
            calm = module(x.clamp(-1, 1).index_copy(0, torch.arange(2, device=x.device), x[:2]))
        other += same_bits(found.detach()[:2], calm[:2])
    return f"{max(own):.1e} at most; {other} numbers differ", max(own) < ROUNDING and not other


def _layer(weight: torch.Tensor) -> Any:
    from bitsandbytes.nn import Int8Params, Linear8bitLt

    module = Linear8bitLt(weight.shape[1], weight.shape[0], bias=False, has_fp16_weights=False, device="meta")
    module.weight = Int8Params(weight.cpu(), has_fp16_weights=False, requires_grad=False)
    layers = torch.nn.Sequential(module.to(device()).eval())
    multiply_by_token(layers)
    return layers[0]


def rounded(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers rounded to 127 steps of their row's largest one, and these steps as integers."""
    largest = numbers.float().abs().amax(dim=1, keepdim=True)
    steps = torch.round(numbers.float() * 127 / largest)
    return steps * largest / 127, steps


def by_integers(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The product of a rounded weight with inputs that are rounded, too, but for outliers."""
    outliers = x.abs() >= OUTLIER
    small, large = x.masked_fill(outliers, 0), x.masked_fill(~outliers, 0)
    return (rounded(small)[0].double() + large.double()).float() @ rounded(weight)[0].t()
