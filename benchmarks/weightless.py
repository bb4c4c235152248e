"""Models whose tensors have a shape, a type and a lifetime, but no numbers, and that take a GPU's memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import common  # noqa: F401  # puts the library on the path
import torch
import trl.kernels.chunked_logprob
import trl.trainer.utils
from bitsandbytes.functional import quantize_4bit
from bitsandbytes.nn import Linear4bit
from counting import Live
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from transformers import AttentionInterface

# isort: split

from codetune.methods.counting import model_on_meta, tuned_on_meta
from codetune.methods.tokens import show_trained_tokens
from codetune.methods.virtual_tokens import SoftPromptModel
from codetune.models.attention import attend_varlen
from codetune.models.int8 import TokenwiseInt8
from codetune.study.method import UNQUANTISED, TuningSettings
from codetune.study.tunings import SOFT_PROMPTS

FEW = 10  # numbers of a tensor that are kept where there are any
ON_GPU = "packed_on_gpu"
AttentionInterface.register(ON_GPU, attend_varlen)


@contextmanager
def as_on_gpu() -> Iterator[None]:
    """Replaces what takes other memory on a CPU than on a GPU by what takes the GPU's.

    Dropout keeps a mask of one byte a number there; PEFT asks for the GPU's autocast alone, without which adapters
    compute in fp32; the output layer's Triton kernels work in place. Where there are no numbers nobody knows which
    positions have labels, so all positions are scored: more than really are.
    """
    enabled = torch.is_autocast_enabled

    def dropout(values: torch.Tensor, p: float = 0.5, training: bool = True, *_: Any) -> torch.Tensor:
        result: torch.Tensor = torch.native_dropout(values, p, training)[0]
        return result

    def in_place(*_: Any, **__: Any) -> None:
        return None

    kernels = trl.kernels.chunked_logprob
    with (
        mock.patch.object(torch.nn.functional, "dropout", dropout),
        mock.patch.object(torch, "is_autocast_enabled", lambda kind="cpu": enabled(kind)),
        mock.patch.object(trl.trainer.utils, "_use_triton", lambda _device: False),
        mock.patch.object(trl.trainer.utils, "_ChunkedLogProbFunction", kernels.ChunkedLogProbFunction),
        mock.patch.multiple(kernels, _forward_tile=in_place, _backward_tile=in_place, _addmm_fp32=in_place),
    ):
        yield


def build(
    config: dict[str, Any],
    attention: str,
    tuning: TuningSettings | None,
    weights: str,
    precision: str = "float32",
) -> Any:
    """A model on the meta device, as codetune.training and codetune.generation leave it.

    Args:
        config: A config.json.
        attention: Name of the attention.
        tuning: What is trained; None for the untuned model.
        weights: How the layers' frozen weights are held: none (in bf16), int8, nf4 or fp4.
        precision: Of what is trained.
    """
    # The library makes a table at the first call, which cannot be made without numbers.
    quantize_4bit(torch.zeros(64, 64), quant_type="nf4", compress_statistics=True)
    model = model_on_meta(config, attn_implementation=attention).requires_grad_(False)
    with torch.device("meta"):
        if weights != UNQUANTISED:
            quantize(model, weights)
        trl.trainer.utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    if tuning is None:
        return model
    soft, base = tuning.type in SOFT_PROMPTS, model
    model = tuned_on_meta(base, tuning, **({"make": SoftPromptModel} if soft else {}))
    show_trained_tokens(base)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(getattr(torch, precision))
    return model


def quantize(model: Any, weights: str) -> None:
    """Puts the layers' weights into 8 or 4 bits, as they are after loading; the output layer stays."""
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and module is not model.get_output_embeddings():
            model.set_submodule(name, in_8_bits(module) if weights == "int8" else in_4_bits(module, weights))
    model.is_loaded_in_4bit = weights != "int8"


def in_4_bits(module: torch.nn.Linear, kind: str) -> Linear4bit:
    """A layer of bitsandbytes in the place of one of torch."""
    linear = Linear4bit(module.in_features, module.out_features, compute_dtype=torch.bfloat16, quant_type=kind)
    data, state = quantize_4bit(module.weight.data, quant_type=kind, compress_statistics=True)
    linear.weight = torch.nn.Parameter(data, requires_grad=False)
    linear.weight.quant_state, linear.weight.quant_type = state, kind
    linear.weight.compress_statistics = True
    linear.bias = module.bias
    return linear


def in_8_bits(module: torch.nn.Linear) -> TokenwiseInt8:
    """A layer of the study's in the place of one of torch: a byte a number, and a scale for each output."""
    linear = TokenwiseInt8(module.in_features, module.out_features, has_fp16_weights=False)
    linear.weight = torch.nn.Parameter(torch.empty_like(module.weight, dtype=torch.int8), requires_grad=False)
    linear.register_buffer("scale", torch.empty(module.out_features, dtype=torch.float32), persistent=False)
    linear.bias = module.bias
    return linear


def without_numbers(model: torch.nn.Module, mode: FakeTensorMode, live: Live) -> None:
    """Turns a model on the meta device into one that a CPU seems to hold, and counts it.

    A tensor that is a part of a larger one takes the larger one's memory, and the few that have numbers keep them.
    """
    done: dict[int, tuple[Any, Any]] = {}  # the old ones too, so that no other object gets their ids

    def convert(tensor: torch.Tensor) -> Any:
        if id(tensor) in done:
            return done[id(tensor)][1]
        if tensor.device.type == "cpu" and tensor.numel() < FEW:
            return tensor
        fake: Any = view(tensor)
        if isinstance(tensor, torch.nn.Parameter):
            fake = torch.nn.Parameter(fake, requires_grad=tensor.requires_grad)
            if state := getattr(tensor, "quant_state", None):
                fake.quant_state = state
                for part in (state, state.state2):
                    vars(part).update({k: convert(v) for k, v in vars(part).items() if isinstance(v, torch.Tensor)})
        done[id(tensor)] = (tensor, fake)
        return fake

    def view(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if tensor.device.type == "cpu" or storage._cdata not in whole:
            count = tensor.numel() if tensor.device.type == "cpu" else storage.nbytes() // tensor.element_size()
            empty = torch.empty(count, dtype=tensor.dtype, device="meta")
            fake = FakeTensor(mode, empty, torch.device("cpu"))
            live.add(fake)
            if tensor.device.type == "cpu":
                return fake.view(tensor.shape)
            whole[storage._cdata] = (storage, fake)
        return whole[storage._cdata][1].as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())

    whole: dict[int, tuple[Any, torch.Tensor]] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            tensors.update({name: convert(tensor) for name, tensor in tensors.items() if tensor is not None})
        if isinstance(module, TokenwiseInt8):
            module.state.SCB = module.scale
