"""The key-value cache of a batch that is being decoded."""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

GROWTH = 64  # tokens by which a cache's capacity grows at a time


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """The keys and values of one layer, with spare capacity for new tokens.

    transformers' own DynamicLayer copies the whole cache for each new token. Layers with a sliding window keep all
    tokens here, too; the mask hides those before the window.

    Attributes:
        is_initialized: Whether the buffer is allocated.
        buffer: Keys and values; shape (2, rows, key-value heads, capacity in tokens, head size).
    """

    is_initialized: bool
    buffer: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends the keys and values of new tokens.

        Args:
            key_states: Shape (rows, key-value heads, new tokens, head size).
            value_states: Shape as `key_states`.

        Returns:
            The keys and the values of all tokens, each of shape (rows, key-value heads, tokens, head size).
        """
        rows, heads, new, size = key_states.shape
        old = self.get_seq_length()
        if not self.is_initialized:
            self._set_buffer(key_states.new_empty(2, rows, heads, new + GROWTH, size))
        if old + new > self.buffer.shape[3]:
            self.buffer = torch.cat([self.buffer, self.buffer.new_empty(2, rows, heads, new + GROWTH, size)], dim=3)
        self.buffer[0, :, :, old : old + new] = key_states
        self.buffer[1, :, :, old : old + new] = value_states
        self._set_length(old + new)
        return self.keys, self.values

    def copy_rows(self, other: "GrowingLayer", rows: list[int], count: int, width: int) -> None:
        """Copies the cache of some rows into a batch, right-aligned.

        Args:
            other: The cache to copy.
            rows: The row of the batch for each row of `other`.
            count: Number of rows of the batch.
            width: Number of tokens of the batch; each copied row ends there.
        """
        copied = other.buffer[:, :, :, : other.get_seq_length()]
        if not self.is_initialized:
            self._set_buffer(copied.new_zeros(2, count, copied.shape[2], width + GROWTH, copied.shape[4]))
            self._set_length(width)
        self.buffer[:, rows, :, width - copied.shape[3] : width] = copied

    def keep_rows(self, rows: torch.Tensor, start: int) -> None:
        """Drops all rows but these, and all tokens before `start`.

        Args:
            rows: Indices of the rows to keep, in their new order; one that is there twice becomes two rows.
            start: First token to keep.
        """
        tokens = self.get_seq_length() - start
        self.buffer = self.buffer[:, rows, :, start:]
        self._set_length(tokens)

    def _set_buffer(self, buffer: torch.Tensor) -> None:
        self.buffer, self.dtype, self.device = buffer, buffer.dtype, buffer.device
        self.is_initialized = True

    def _set_length(self, tokens: int) -> None:
        """Lets `keys` and `values` show the first tokens of the buffer."""
        self.keys, self.values = self.buffer[:, :, :, :tokens]


def growing_cache(layers: int) -> Any:
    """Makes an empty cache for a decoder with that number of layers."""
    return Cache(layers=[GrowingLayer() for _ in range(layers)])


def cache_bytes(config: Any, itemsize: int) -> int:
    """Returns the bytes of keys and values that a decoder caches per token, an encoder-decoder's per input token, too.

    Args:
        config: A model's configuration, as transformers has it: it knows the sizes by the same names in all
            architectures, while the config.json of a GPT-2 says `n_head`.
        itemsize: Bytes per number.
    """
    config = getattr(config, "decoder", config)  # of an encoder with a decoder that has a configuration of its own
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    layers = config.num_decoder_layers if config.is_encoder_decoder else config.num_hidden_layers
    return 2 * int(layers) * int(heads) * int(head) * itemsize
