"""The choice of the attention kernel for packed samples."""

from typing import Any

import torch

from codetune.base.errors import StudyError
from codetune.base.machine import is_out_of_memory
from codetune.models.attention import Packed, packed_kernels, register_packed_attention
from codetune.models.device import computing_in, device, evaluating
from codetune.prompts.tokensets import TokenSample

LEAK = 1e-4  # most that a sample's logits may change with its neighbour, relative to their norm
# Most that they may differ from those of the sample alone. In bf16 most models' differ by less than 0.02, in fp32 by
# less than 1e-4. Where a kernel does not know the attention it is 0.16 and more, but less with weights that are small.
ROUNDING = {torch.bfloat16: 0.1, torch.float32: 0.01}


def choose_attention(model: Any, samples: list[TokenSample], dtype: torch.dtype | None = None) -> None:
    """Tries the attention kernels, fastest first, and sets the first that keeps packed samples apart on this device.

    The logits of a sample must not change by more than `LEAK` when its neighbour in the row does, and must be those
    that the attention of transformers gives the sample alone, up to `ROUNDING`.

    Args:
        model: The model, before anything is made trainable.
        samples: The training samples.
        dtype: The compute type, if it is not that of the weights.

    Raises:
        StudyError: No kernel does, or memory runs out.
    """
    register_packed_attention()
    try:
        _choose(model, samples, dtype or model.dtype)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        problem = str(error).splitlines()[0].split(". ")[0]
        raise StudyError(
            f"the GPU's memory ran out while attention was tried on two samples ({problem}). Is another program using "
            "that GPU?"
        ) from None


def _choose(model: Any, samples: list[TokenSample], dtype: torch.dtype) -> None:
    """Does the work of `choose_attention`."""
    ordered = sorted(samples, key=len)
    first, second = ordered[(len(samples) - 1) // 2], ordered[-1]  # windows show in the longest alone
    other = TokenSample(first.id, first.prompt[::-1], first.completion[::-1])
    tried = []
    with evaluating(model), torch.no_grad(), computing_in(dtype, model):
        alone = model(input_ids=_ids_in_a_row([second]), use_cache=False).logits[0].float()
        for name in packed_kernels(dtype, device()):
            model.set_attn_implementation(name)
            try:
                logits, changed = (_logits_of_last(model, row) for row in ([first, second], [other, second]))
            except (RuntimeError, TypeError) as error:  # a TypeError where the model does not pass on how samples lie
                if is_out_of_memory(error):  # that says nothing about the kernel
                    raise
                tried.append(f"{name} fails ({str(error).splitlines()[0]})")
                print(f"attention {tried[-1]}", flush=True)
                continue
            leak, rounding = (((logits - x).norm() / x.norm()).item() for x in (changed, alone))
            tried.append(f"{name} differs by {leak:.1e} with another neighbour and by {rounding:.1e} alone")
            print(f"attention {tried[-1]} (relative)", flush=True)
            if leak < LEAK and rounding < ROUNDING[dtype]:
                return
    raise StudyError(
        f"no attention keeps the packed samples of this model apart on {device()}: {'; '.join(tried)}. Take this "
        "model out of the runs that fine-tune."
    )


def _ids_in_a_row(samples: list[TokenSample]) -> torch.Tensor:
    """The ids of some samples in a row; shape (1, tokens)."""
    return torch.tensor([[token for s in samples for token in s.prompt + s.completion]], device=device())


def _logits_of_last(model: Any, samples: list[TokenSample]) -> torch.Tensor:
    """Logits of the last of some samples packed into one row, in their order; shape (tokens, vocabulary)."""
    lengths = [len(sample) for sample in samples]
    positions = torch.cat([torch.arange(length, device=device()) for length in lengths])[None]
    packed = Packed(lengths, device())
    logits = model(input_ids=_ids_in_a_row(samples), position_ids=positions, packed=packed, use_cache=False).logits[0]
    return logits[-lengths[-1] :].float()
