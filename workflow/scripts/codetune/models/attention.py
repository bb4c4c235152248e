"""Attention over packed samples, each by itself: nothing can leak, and nothing is computed that a mask would drop."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface

# As transformers calls them once they are registered; a name with "flash" in it would mean a kernel of its own.
FLASH, EACH = "packed_varlen", "packed_each"


@dataclass(frozen=True)
class Packed:
    """Where the samples of one row lie.

    Attributes:
        lengths: Tokens of each sample, in their order.
        device: Where the row is.
    """

    lengths: list[int]
    device: torch.device | str

    @property
    def longest(self) -> int:
        """Tokens of the longest sample."""
        return max(self.lengths)

    @cached_property
    def spans(self) -> list[slice]:
        """The tokens of each sample."""
        return [slice(start, end) for start, end in pairwise(accumulate(self.lengths, initial=0))]

    @cached_property
    def borders(self) -> torch.Tensor:
        """First token of each sample, and the end; shape (samples + 1,)."""
        ends = torch.tensor(self.lengths, dtype=torch.int32).cumsum(0, dtype=torch.int32)
        return pad(ends, (1, 0)).to(self.device)


def packed_kernels(dtype: torch.dtype, device: str) -> Iterator[str]:
    """Kernels for packed samples on a device, the fastest first; the last is right everywhere."""
    if device.startswith("cuda") and dtype in (torch.bfloat16, torch.float16):
        yield FLASH
    yield EACH


def flash(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    packed: Packed,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """All samples in one call of torch's flash kernel for sequences of any length; `each` for what it cannot do.

    Args:
        module: The attention layer.
        query: Shape (1, heads, tokens, size of a head).
        key: The same with the key-value heads.
        value: As `key`.
        attention_mask: None: it follows from `packed`.
        packed: Where the samples lie.
        scaling: Of the scores.
        softcap: Bound of the scores (Gemma-2); none of torch's kernels knows it.
        sliding_window: How many tokens back a token sees, itself included.

    Returns:
        Shape (1, tokens, heads, size of a head), and None for the weights.
    """
    if softcap is not None or (sliding_window is not None and sliding_window < packed.longest):
        return each(module, query, key, value, attention_mask, packed, scaling, softcap, sliding_window)
    from torch.nn.attention.varlen import varlen_attn

    rows = [x[0].transpose(0, 1) for x in (query, key, value)]
    borders, longest = packed.borders, packed.longest
    output = varlen_attn(*rows, borders, borders, longest, longest, scale=scaling, window_size=(-1, 0), enable_gqa=True)
    return output[None], None


def each(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _attention_mask: None,
    packed: Packed,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """One sample after the other, by torch's attention, or by its definition where scores are capped. See `flash`."""
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    scale = module.head_dim**-0.5 if scaling is None else scaling
    outputs = []
    for span in packed.spans:
        q, k, v = query[:, :, span], key[:, :, span], value[:, :, span]
        mask = _window(q.shape[2], sliding_window, q.device)
        if softcap is None:
            outputs.append(scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale))
        else:
            outputs.append(_capped(q, k, v, mask, scale, softcap))
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _window(length: int, sliding_window: int | None, device: torch.device) -> torch.Tensor | None:
    """Which tokens see which under a sliding window; None where it is longer than the sample."""
    if sliding_window is None or length <= sliding_window:
        return None
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - sliding_window)


def _capped(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, scale: float, softcap: float
) -> torch.Tensor:
    """Causal attention with scores softly capped (Gemma 2, section 2), as transformers' eager one computes it."""
    if mask is None:
        mask = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).tril()
    scores = torch.tanh(q @ k.transpose(2, 3) * (scale / softcap)) * softcap
    return scores.masked_fill(~mask, float("-inf")).softmax(-1, dtype=torch.float32).to(q.dtype) @ v


def register_packed_attention() -> None:
    """Makes both kernels known to transformers by their names."""
    AttentionInterface.register(FLASH, flash)
    AttentionInterface.register(EACH, each)
