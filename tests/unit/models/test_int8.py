"""LLM.int8 by token: as the library computes a token alone, whatever lies beside it, on a CPU too and in training."""

import pytest
import torch
from bitsandbytes.nn import Int8Params, Linear8bitLt
from codetune.models.int8 import OUTLIER, linear_8bit, multiply_by_token

SHAPE = (48, 80)  # outputs, inputs


def layer(dtype=torch.float32, bias=False, threshold=OUTLIER):
    """A layer of the library with random weights, the same each time."""
    outputs, inputs = SHAPE
    module = Linear8bitLt(inputs, outputs, bias=bias, has_fp16_weights=False, threshold=threshold, device="meta")
    module.weight = Int8Params(weight(), has_fp16_weights=False, requires_grad=False)
    if bias:
        module.bias = torch.nn.Parameter(torch.linspace(-1, 1, outputs, dtype=dtype), requires_grad=False)
    return module.to("cpu").eval()


def weight():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)) * 0.02


def by_token(**options):
    model = torch.nn.Sequential(layer(**options))
    multiply_by_token(model)
    return model[0]


def inputs(dtype, *, outliers):
    x = torch.randn((7, SHAPE[1]), generator=torch.Generator().manual_seed(2)).clamp(-4, 4)
    if outliers:
        x[2, 7], x[4, 9], x[4, 10], x[6, 7], x[5, 1] = 30, -8, 1e6, OUTLIER, OUTLIER - 0.01
    return x.to(dtype)


def by_integers(x):
    """The definition, by torch alone: outliers times the rounded weight, and integers times the largest of each row."""
    w = weight().half().float()
    columns = w.abs().amax(1, keepdim=True)
    codes = torch.round(w * (127 / columns))
    rounded = codes * columns / 127
    half = x.half().float()
    large = half.abs() >= OUTLIER
    rest = half.masked_fill(large, 0)
    rows = rest.abs().amax(1, keepdim=True)
    product = (torch.round(rest * (127 / rows)).double() @ codes.double().t()).float() * rows * columns.t() / 127**2
    return product + x.float().masked_fill(~large, 0) @ rounded.t(), rounded


def relative(one, other):
    return ((one.float() - other.float()).norm() / other.float().norm()).item()


@pytest.mark.parametrize("outliers", [False, True])
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-7)])
def test_products_and_gradients_are_those_of_the_definition(dtype, rounding, outliers):
    module, x = by_token(dtype=dtype), inputs(dtype, outliers=outliers).requires_grad_()
    expected, rounded = by_integers(x.detach())
    found = module(x)
    assert found.dtype == dtype
    for row, wanted in zip(found, expected, strict=True):  # one by one: one row with an outlier outweighs all others
        assert relative(row, wanted) < rounding
    given = torch.randn((7, SHAPE[0]), generator=torch.Generator().manual_seed(3)).to(dtype)
    found.backward(given)
    assert relative(x.grad, given.float() @ rounded) < rounding
    assert module.weight.grad is None


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_token_alone_is_computed_as_by_the_library(dtype, bias):
    own, theirs = by_token(dtype=dtype, bias=bias), layer(dtype, bias)
    for row in inputs(dtype, outliers=True).split(1):
        with torch.no_grad():
            assert relative(own(row), theirs(row)) < (1e-4 if dtype == torch.float32 else 2**-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_token_depends_on_another_nor_on_the_mode(dtype):
    module, x = by_token(dtype=dtype), inputs(dtype, outliers=True)
    with torch.no_grad():
        together = module(x)
        calm = x.masked_fill(x.abs() >= OUTLIER, 0.5)
        for changed in (calm, calm * 20):
            other = module(torch.cat([x[:2], changed[2:]]))
            assert torch.equal(other[:2], together[:2])
            assert not torch.equal(other[2:], together[2:])
        assert torch.equal(module.train()(x), together)
        assert torch.equal(module(x[None])[0], together)


def test_the_library_s_tokens_depend_on_one_another_and_on_the_mode():
    """If they no longer do, this workflow's layer can go."""
    module, x = layer(), inputs(torch.float32, outliers=True)
    with torch.no_grad():
        together = module(x)
        assert relative(module(x[:2]), together[:2]) > 1e-3
        assert relative(module.train()(x)[:2], together[:2]) > 1e-3


def test_rows_of_zeros_and_what_is_not_finite_stay_so():
    module, x = by_token(bias=True), inputs(torch.float32, outliers=True)
    x[0], x[1, 3], x[3, 5] = 0, torch.nan, torch.inf
    with torch.no_grad():
        found = module(x)
    assert torch.equal(found[0], module.bias)
    assert not found[1].isfinite().any()
    assert not found[3].isfinite().any()
    assert found[[2, 4, 5, 6]].isfinite().all()


def test_a_weight_that_peft_moved_is_multiplied_as_before():
    """PEFT puts a new parameter in the place of the weight when it dequantises one on a CPU, as DoRA does."""
    module, x = by_token(), inputs(torch.float32, outliers=True)
    with torch.no_grad():
        expected = module(x)
        module.weight = module.weight.to("cpu")
        assert torch.equal(module(x), expected)
    assert linear_8bit(torch.nn.Sequential(module)) == [module]
