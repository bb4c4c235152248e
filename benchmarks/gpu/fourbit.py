"""NF4 as bitsandbytes computes it, against its published levels and against products of the dequantised weights."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from common import read_architectures
from gpu.findings import Finding, Look, tried

# isort: split

from codetune.models.device import device
from codetune.models.quantization import keep_weights_unpacked
from codetune.models.shapes import projection_shapes

# The 16 levels of NF4 (Dettmers et al. 2023, appendix E).
LEVELS = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334),
    *(-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
BLOCK, BLOCKS = 64, 256  # weights that share a constant, and constants that share one
# Rows of inputs: one sequence that is decoded, a few, numbers that no tile divides, a micro-batch. bitsandbytes has
# another kernel for up to 4, up to 7, up to 512 and more.
ROWS = (1, 3, 7, 33, 64, 250, 512, 1000)
ROWS_SMALL = (1, 7, 33)
SMALL_SHAPES = [(128, 64), (64, 192)]
# Blocks that cross rows. No multiples of 16 that are none of 64: on CPUs with AVX512, bitsandbytes 0.50.2 dequantises a
# weight of so many inputs to wrong numbers, so that a right GPU would differ.
ODD = [(33, 100), (48, 72)]
# Most that a product may differ, relative to its norm. In bf16 weights, sums and results are each rounded to 8 bits.
ROUNDING = {torch.bfloat16: 2**-7, torch.float32: 2**-16}


@dataclass(frozen=True)
class Layer:
    """A linear layer in NF4 as the study has it, and its weight as dequantised.

    Attributes:
        module: Of bitsandbytes.
        weight: In the compute type; shape (outputs, inputs).
    """

    module: Any
    weight: torch.Tensor


def check_4_bits(small: bool) -> Iterator[Finding]:
    """Looks at dequantised weights, products and gradients, in the shapes of the study's models."""
    shapes = SMALL_SHAPES if small else study_shapes()
    names = f"{len(shapes) + len(ODD)} shapes"
    for double in (True, False):
        constants = "constants in 8 bits" if double else "constants in fp32"
        what = f"NF4 dequantised, {constants}, {names}"
        yield tried(what, "bits of the CPU and of the published levels", lambda d=double: _dequantised(shapes + ODD, d))
    few = shapes[-2:]  # the smallest: on a CPU, quantising takes 100 bytes a weight
    yield tried("NF4 quantised, in codes", "those of the CPU (reported)", lambda: _quantised(few))
    for dtype, rows in ((torch.bfloat16, ROWS_SMALL if small else ROWS), (torch.float32, ROWS_SMALL)):
        chosen = shapes if dtype == torch.bfloat16 else shapes[:2]
        kind = str(dtype).removeprefix("torch.")
        what = f"in {kind}, {len(chosen)} shapes, {len(rows)} numbers of rows up to {rows[-1]}"
        limit = f"within {ROUNDING[dtype]:.1e} of the dequantised weight's"
        yield tried(f"4-bit product {what}", limit, lambda t=dtype, c=chosen, r=rows: _products(c, r, t))
        yield tried(f"its gradient {what}", limit, lambda t=dtype, c=chosen, r=rows: _gradients(c, r, t))
    yield tried("gradient after an evaluation", "same bits as before it", lambda: _after_evaluation(shapes[0]))


def study_shapes() -> list[tuple[int, int]]:
    """Outputs and inputs of all projections of the study's models; the largest first."""
    models = [facts["config"] for facts in read_architectures().values()]
    shapes = {(outputs, inputs) for config in models for inputs, outputs in projection_shapes(config).values()}
    return sorted(shapes, key=math.prod, reverse=True)


def random_weight(shape: tuple[int, int], dtype: torch.dtype, on: str) -> torch.Tensor:
    """A weight of random numbers with a spread of 0.02; the same for the same shape."""
    generator = torch.Generator(on).manual_seed(shape[0] * 100_003 + shape[1])
    return (torch.randn(shape, generator=generator, device=on) * 0.02).to(dtype)


def make_layer(shape: tuple[int, int], dtype: torch.dtype, double: bool = True) -> Layer:
    """A layer in NF4 with random weights, on this process's device."""
    from bitsandbytes.nn import Linear4bit

    module = Linear4bit(
        shape[1], shape[0], bias=False, compute_dtype=dtype, compress_statistics=double, quant_type="nf4", device="meta"
    )
    module.weight = type(module.weight)(
        random_weight(shape, dtype, device()), requires_grad=False, compress_statistics=double, quant_type="nf4"
    ).to(device())  # which quantises it
    keep_weights_unpacked(torch.nn.Sequential(module))
    return Layer(module, dequantised(module))


def dequantised(module: Any) -> torch.Tensor:
    """A layer's weight in its compute type, by bitsandbytes."""
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(module.weight.data, module.weight.quant_state)


def by_levels(module: Any) -> torch.Tensor:
    """The same by torch alone: two codes in a byte, the upper half first, each a level times its block's constant."""
    packed, state = module.weight.data.flatten(), module.weight.quant_state
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()
    levels = torch.tensor(LEVELS, device=packed.device)[codes.long()]
    count = math.prod(state.shape)
    scale = state.absmax
    if state.nested:
        scale = state.state2.code[scale.long()] * _repeated(state.state2.absmax, BLOCKS, len(scale)) + state.offset
    return (levels[:count] * _repeated(scale, BLOCK, count)).view(state.shape).to(state.dtype)


def _repeated(values: torch.Tensor, times: int, count: int) -> torch.Tensor:
    return values.repeat_interleave(times)[:count]


def on_cpu(module: Any) -> torch.Tensor:
    """The same by bitsandbytes on the CPU, from the bytes that lie on the GPU."""
    from copy import deepcopy

    from bitsandbytes.functional import dequantize_4bit

    state = deepcopy(module.weight.quant_state)
    state.to("cpu")
    return dequantize_4bit(module.weight.data.cpu(), state)


def same_bits(one: torch.Tensor, other: torch.Tensor) -> int:
    """How many numbers of two tensors of one type differ in any bit."""
    kind = {2: torch.int16, 4: torch.int32}[one.element_size()]
    return int((one.contiguous().view(kind) != other.to(one.device).contiguous().view(kind)).sum())


def _dequantised(shapes: list[tuple[int, int]], double: bool) -> Look:
    found = []
    for shape in shapes:
        for dtype in (torch.bfloat16, torch.float32):
            layer = make_layer(shape, dtype, double)
            others = {"the CPU": on_cpu(layer.module), "the levels": by_levels(layer.module)}
            wrong = {who: same_bits(layer.weight, other) for who, other in others.items()}
            found += [f"{shape} in {dtype}: {count:,} not as {who} has it" for who, count in wrong.items() if count]
    return (found[0], False) if found else ("the same bits", True)


def _quantised(shapes: list[tuple[int, int]]) -> Look:
    from bitsandbytes.functional import quantize_4bit

    other = total = 0
    for shape in shapes:
        weight = random_weight(shape, torch.bfloat16, device())
        here, there = (quantize_4bit(w, blocksize=BLOCK, quant_type="nf4")[0] for w in (weight, weight.cpu()))
        other, total = other + int((here.cpu() != there).sum()), total + there.numel()
    return f"{other:,} of {total:,} bytes differ", None


def _products(shapes: list[tuple[int, int]], rows: tuple[int, ...], dtype: torch.dtype) -> Look:
    def differences(layer: Layer, x: torch.Tensor) -> float:
        with torch.no_grad():
            return relative(layer.module(x), x.float() @ layer.weight.float().t())

    return _worst(shapes, rows, dtype, differences)


def _gradients(shapes: list[tuple[int, int]], rows: tuple[int, ...], dtype: torch.dtype) -> Look:
    def differences(layer: Layer, x: torch.Tensor) -> float:
        given = random_rows(len(x), layer.weight.shape[0], dtype, seed=1)
        return relative(_gradient(layer.module, x, given), given.float() @ layer.weight.float())

    return _worst(shapes, rows, dtype, differences)


def _after_evaluation(shape: tuple[int, int]) -> Look:
    """An evaluation can repack weights for another kernel, through which gradients are wrong."""
    layer = make_layer(shape, torch.bfloat16)
    x, given = (random_rows(7, size, torch.bfloat16, seed) for seed, size in enumerate(reversed(shape)))
    before = _gradient(layer.module.train(), x, given)
    with torch.no_grad():
        layer.module.eval()(x[:1])
    count = same_bits(before, _gradient(layer.module.train(), x, given))
    return f"{count} of {before.numel()} numbers differ", count == 0


def _gradient(module: Any, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """The gradient of a layer's inputs, where that of its outputs is given."""
    inputs = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(module(inputs), inputs, given)
    return gradient


def random_rows(count: int, size: int, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    """Inputs of random numbers with a spread of 1; shape (count, size)."""
    generator = torch.Generator(device()).manual_seed(seed)
    return torch.randn(count, size, generator=generator, device=device()).to(dtype)


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The difference of two tensors, relative to the norm of what is expected."""
    return ((found.float() - expected).norm() / expected.norm()).item()


def _worst(
    shapes: list[tuple[int, int]],
    rows: tuple[int, ...],
    dtype: torch.dtype,
    difference: Callable[[Layer, torch.Tensor], float],
) -> Look:
    """The largest difference in all shapes and numbers of rows, and where it is."""
    found = []
    for shape in shapes:
        layer = make_layer(shape, dtype)
        for count in rows:
            found.append((difference(layer, random_rows(count, shape[1], dtype)), f"{count} rows, {shape}"))
    wrong = sum(not value < ROUNDING[dtype] for value, _ in found)
    worst, where = max(found, key=lambda one: (math.isnan(one[0]), one[0]))
    more = f"; {wrong} of {len(found)} are off" if wrong else ""
    return f"{worst:.1e} at most, with {where}{more}", not wrong
