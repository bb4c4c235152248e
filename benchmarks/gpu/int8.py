"""LLM.int8 as bitsandbytes computes it, against the same computed by torch alone (Dettmers et al. 2022, section 2)."""

from collections.abc import Iterator
from typing import Any

import torch
from gpu.findings import Finding, Look, tried
from gpu.fourbit import SMALL_SHAPES, random_rows, random_weight, relative, study_shapes

# isort: split

from codetune.models.device import device

ROWS = (1, 7, 250)
ROUNDING = 2**-8  # sums are exact; what is left is the rounding of scales and results to 16 bits
LOSS = 0.03  # most that quantising weights and inputs to 8 bits changes products of normally distributed numbers


def check_8_bits(small: bool) -> Iterator[Finding]:
    """Looks at products in 8 bits, of which the study has none: its weights are in 4."""
    shapes = SMALL_SHAPES if small else study_shapes()[:3]
    what = f"8-bit product, {len(shapes)} shapes, rows {', '.join(map(str, ROWS))}"
    expected = f"within {ROUNDING:.1e} of torch's integers, {LOSS} of the exact product"
    yield tried(what, expected, lambda: _products(shapes))


def _products(shapes: list[tuple[int, int]]) -> Look:
    own, exact = [], []
    for shape in shapes:
        weight = random_weight(shape, torch.float16, device())
        module = _layer(weight)
        for count in ROWS:
            x = random_rows(count, shape[1], torch.float16)
            with torch.no_grad():
                found = module(x)
            own.append(relative(found, by_integers(x, weight)))
            exact.append(relative(found, x.float() @ weight.float().t()))
    return f"{max(own):.1e} and {max(exact):.1e} at most", max(own) < ROUNDING and max(exact) < LOSS


def _layer(weight: torch.Tensor) -> Any:
    from bitsandbytes.nn import Int8Params, Linear8bitLt

    module = Linear8bitLt(weight.shape[1], weight.shape[0], bias=False, has_fp16_weights=False, device="meta")
    module.weight = Int8Params(weight.cpu(), has_fp16_weights=False, requires_grad=False)
    return module.to(device()).eval()


def by_integers(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The product of inputs and weights that are each rounded to 127 steps of its row's largest number."""
    rows, columns = (t.float().abs().amax(dim=1, keepdim=True) for t in (x, weight))
    inputs, weights = (torch.round(t.float() * 127 / scale) for t, scale in ((x, rows), (weight, columns)))
    return (inputs.double() @ weights.double().t()).float() * (rows * columns.t() / 127**2)
