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
from peft import get_peft_model
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

# isort: split

from codetune.methods.peft_config import peft_config
from codetune.models.attention import attend_varlen
from codetune.models.roles import resolve_roles
from codetune.study.method import TuningSettings

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


def build(config: dict[str, Any], attention: str, tuning: TuningSettings | None, in_4_bits: bool) -> Any:
    """A model on the meta device, as codetune.training and codetune.generation leave it.

    Args:
        config: A config.json.
        attention: Name of the attention.
        tuning: For an adapter in fp32; None for the untuned model.
        in_4_bits: Whether the layers' weights are in 4 bits, or in bf16.
    """
    # The library makes a table at the first call, which cannot be made without numbers.
    quantize_4bit(torch.zeros(64, 64), quant_type="nf4", compress_statistics=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**config), dtype=torch.bfloat16, attn_implementation=attention
        )
        model.requires_grad_(False)
        if in_4_bits:
            quantize(model)
        trl.trainer.utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
        if tuning is None:
            return model
        model = get_peft_model(
            model,
            peft_config(resolve_roles(tuning.peft, config.get("model_type"), "the model")),
            low_cpu_mem_usage=True,
        )
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    return model


def quantize(model: Any) -> None:
    """Puts the layers' weights into 4 bits, as bitsandbytes does on loading; the output layer stays."""
    for name, module in list(model.named_modules()):
        if not isinstance(module, torch.nn.Linear) or module is model.get_output_embeddings():
            continue
        linear = Linear4bit(module.in_features, module.out_features, compute_dtype=torch.bfloat16, quant_type="nf4")
        data, state = quantize_4bit(module.weight.data, quant_type="nf4", compress_statistics=True)
        linear.weight = torch.nn.Parameter(data, requires_grad=False)
        linear.weight.quant_state, linear.weight.quant_type = state, "nf4"
        linear.weight.compress_statistics = True
        linear.bias = module.bias
        model.set_submodule(name, linear)
    model.is_loaded_in_4bit = True


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
