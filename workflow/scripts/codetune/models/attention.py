"""Attention within each sample of a packed row: tokens never see another sample, and no masked score is computed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface

# Names under which transformers knows the two kernels. It takes names that contain "flash" for kernels of its own.
FLASH, EACH = "packed_varlen", "packed_each"


@dataclass(frozen=True)
class Packed:
    """Where the samples of one packed row lie.

    Attributes:
        lengths: Number of tokens of each sample, in their order in the row.
        device: The device that holds the row.
    """

    lengths: list[int]
    device: torch.device | str

    @property
    def longest(self) -> int:
        """Number of tokens of the longest sample."""
        return max(self.lengths)

    @cached_property
    def spans(self) -> list[slice]:
        """Positions of each sample's tokens in the row."""
        return [slice(start, end) for start, end in pairwise(accumulate(self.lengths, initial=0))]

    @cached_property
    def borders(self) -> torch.Tensor:
        """Position of each sample's first token, and the row's length; int32 of shape (samples + 1,)."""
        ends = torch.tensor(self.lengths, dtype=torch.int32).cumsum(0, dtype=torch.int32)
        return pad(ends, (1, 0)).to(self.device)


def packed_kernels(dtype: torch.dtype, device: str) -> Iterator[str]:
    """Yields the names of the kernels for packed rows on a device, the fastest first; the last works everywhere.

    Args:
        dtype: Type of the queries, keys and values.
        device: The device, as torch names it.
    """
    if device.startswith("cuda") and dtype in (torch.bfloat16, torch.float16):
        yield FLASH
    yield EACH


def register_packed_attention() -> None:
    """Registers both kernels with transformers under their names."""
    AttentionInterface.register(FLASH, attend_varlen)
    AttentionInterface.register(EACH, attend_each)


def attend_varlen(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    packed: Packed,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Computes causal attention within all samples in one call of torch's variable-length flash kernel.

    Where scores are capped, weights are dropped, or the sliding window is shorter than a sample, it leaves the work to
    `attend_each`.

    Args:
        module: The attention layer.
        query: Queries; shape (1, heads, tokens, head size).
        key: Keys; shape (1, key-value heads, tokens, head size).
        value: Values; shape as `key`.
        attention_mask: None, since the mask follows from `packed`.
        packed: Where the samples lie.
        scaling: Factor of the attention scores; None for the kernel's default, the inverse root of the head size.
        softcap: Bound of the attention scores (Gemma 2, section 2), which none of torch's kernels supports.
        sliding_window: Number of tokens that a token sees: itself and those before it. None without a limit.
        dropout: Share of the attention weights that are dropped; the layer gives none but in training.

    Returns:
        The outputs, of shape (1, tokens, heads, head size), and None in place of the attention weights.
    """
    if softcap is not None or dropout or (sliding_window is not None and sliding_window < packed.longest):
        return attend_each(module, query, key, value, attention_mask, packed, scaling, softcap, sliding_window, dropout)
    from torch.nn.attention.varlen import varlen_attn

    rows = [x[0].transpose(0, 1) for x in (query, key, value)]
    borders, longest = packed.borders, packed.longest
    output = varlen_attn(*rows, borders, borders, longest, longest, scale=scaling, window_size=(-1, 0), enable_gqa=True)
    return output[None], None


def attend_each(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _attention_mask: None,
    packed: Packed,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Computes causal attention one sample after the other; arguments and result are those of `attend_varlen`.

    It uses torch's `scaled_dot_product_attention`, or an explicit softmax where scores are capped.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    scale = module.head_dim**-0.5 if scaling is None else scaling
    outputs = []
    for span in packed.spans:
        q, k, v = query[:, :, span], key[:, :, span], value[:, :, span]
        mask = _window_mask(q.shape[2], sliding_window, q.device)
        if softcap is None:
            causal = mask is None
            outputs.append(scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=causal, scale=scale))
        else:
            outputs.append(_attend_capped(q, k, v, mask, scale, softcap, dropout))
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def _window_mask(length: int, sliding_window: int | None, device: torch.device) -> torch.Tensor | None:
    """Makes the mask of a causal sliding window, boolean of shape (length, length); None if the window is longer."""
    if sliding_window is None or length <= sliding_window:
        return None
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - sliding_window)


def _attend_capped(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
    softcap: float,
    dropout: float,
) -> torch.Tensor:
    """Computes causal attention with soft-capped scores (Gemma 2, section 2), as transformers' eager attention does."""
    if mask is None:
        mask = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).tril()
    scores = torch.tanh(q @ k.transpose(2, 3) * (scale / softcap)) * softcap
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1, dtype=torch.float32).to(q.dtype)
    return torch.dropout(weights, dropout, train=True) @ v
