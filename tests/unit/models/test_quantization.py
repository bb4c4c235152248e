"""Weights in 4 bits on a CPU: dequantised to NF4's levels, whatever their shape."""

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, get_4bit_type
from bitsandbytes.nn import Linear4bit, Params4bit
from codetune.models import quantization
from codetune.models.loading import load_base
from codetune.models.quantization import _dequantize_by_blocks, dequantize_by_blocks_if_needed, linear_4bit
from miniatures import FP32
from transformers import LlamaConfig, LlamaForCausalLM

ODD = [(4, 96), (5, 32), (96, 16), (7, 48), (3, 80), (2, 224), (300, 272)]  # multiples of 16 and not of 64
OTHER = [(4, 64), (5, 192), (64, 128), (33, 100), (3, 40), (8, 8), (1, 32)]


def layer(shape, dtype=torch.float32, double=True):
    """A layer with random weights."""
    outputs, inputs = shape
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    module = Linear4bit(inputs, outputs, bias=False, compute_dtype=dtype, device="meta")
    module.weight = Params4bit(weight, requires_grad=False, quant_type="nf4", compress_statistics=double).to("cpu")
    return module


def dequantized(shape):
    """The weights of a layer of some shape, by bitsandbytes."""
    module = layer(shape)
    return dequantize_4bit(module.weight.data, module.weight.quant_state)


def by_levels(module):
    """The same by NF4's definition: each code a level, times the constant of its block of 64."""
    packed, state = module.weight.data.flatten(), module.weight.quant_state
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()[: state.shape.numel()]
    scale = state.absmax
    if state.nested:
        scale = state.state2.code[scale.long()] * state.state2.absmax.repeat_interleave(256)[: len(scale)]
        scale = scale + state.offset
    scales = scale.repeat_interleave(64)[: len(codes)]
    return (get_4bit_type("nf4", "cpu")[codes.long()] * scales).view(state.shape).to(state.dtype)


@pytest.fixture
def as_it_is():
    """bitsandbytes as it is: other tests load checkpoints with such layers."""
    if _dequantize_by_blocks.cache_info().currsize:
        _dequantize_by_blocks()._destroy()
        _dequantize_by_blocks.cache_clear()


@pytest.fixture
def by_blocks(as_it_is):
    """The patch, for a test."""
    library = _dequantize_by_blocks()
    yield
    library._destroy()
    _dequantize_by_blocks.cache_clear()


@pytest.mark.usefixtures("by_blocks")
@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", ODD + OTHER, ids=str)
def test_weights_and_products_are_those_of_the_levels(shape, dtype, double):
    module = layer(shape, dtype, double)
    expected = by_levels(module)
    x = torch.randn(3, shape[1], generator=torch.Generator().manual_seed(2)).to(dtype)
    inputs, given = x.clone().requires_grad_(), torch.ones(3, shape[0], dtype=dtype)
    with torch.inference_mode():
        assert torch.equal(module(x), torch.nn.functional.linear(x, expected))
    module(inputs).backward(given)
    assert torch.equal(inputs.grad, given @ expected)


@pytest.mark.usefixtures("as_it_is")
def test_bitsandbytes_is_wrong_for_these_shapes_or_for_none():
    """By its kernel for AVX512, in a process that computes as it is. If it is right everywhere, the patch can go."""
    wrong = [shape for shape in ODD + OTHER if not torch.equal(dequantized(shape), by_levels(layer(shape)))]
    assert wrong in (ODD, [])


@pytest.mark.parametrize(("inner", "patched"), [(96, True), (128, False)])
def test_a_checkpoint_with_such_a_layer_is_computed_by_blocks(inner, patched, tmp_path, monkeypatch):
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 32}
    LlamaForCausalLM(LlamaConfig(intermediate_size=inner, **sizes)).save_pretrained(tmp_path)
    calls = []
    monkeypatch.setattr(quantization, "_dequantize_by_blocks", lambda: calls.append(1))
    model = load_base(tmp_path, FP32)
    assert len(calls) == patched
    monkeypatch.setattr(quantization, "device", lambda: "cuda:0")
    dequantize_by_blocks_if_needed(model)
    assert len(calls) == patched
    assert len(linear_4bit(model)) == 7
