"""Keys and values of a batch that is being decoded."""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 64  # tokens for which room is made at a time


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer, with room for tokens to come; the library's own copies all for each new token.

    Layers with a sliding window keep all tokens too: the mask drops what lies behind the window.

    Attributes:
        room: Keys and values; shape (2, rows, key-value heads, tokens there is room for, size of a head).
    """

    is_initialized: bool
    room: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds the keys and values of new tokens; returns all."""
        rows, heads, new, size = key_states.shape
        old = self.get_seq_length()
        if not self.is_initialized:
            self._make_room(key_states.new_empty(2, rows, heads, new + ROOM, size))
        if old + new > self.room.shape[3]:
            self.room = torch.cat([self.room, self.room.new_empty(2, rows, heads, new + ROOM, size)], dim=3)
        self.room[0, :, :, old : old + new] = key_states
        self.room[1, :, :, old : old + new] = value_states
        self._show(old + new)
        return self.keys, self.values

    def place(self, other: "GrowingLayer", rows: list[int], count: int, width: int) -> None:
        """Takes the keys and values of some of `count` rows, which are to end at token `width`."""
        room = other.room[:, :, :, : other.get_seq_length()]
        if not self.is_initialized:
            self._make_room(room.new_zeros(2, count, room.shape[2], width + ROOM, room.shape[4]))
            self._show(width)
        self.room[:, rows, :, width - room.shape[3] : width] = room

    def select(self, rows: torch.Tensor, start: int) -> None:
        """Keeps these rows alone, from a token on."""
        tokens = self.get_seq_length() - start
        self.room = self.room[:, rows, :, start:]
        self._show(tokens)

    def _make_room(self, room: torch.Tensor) -> None:
        self.room, self.dtype, self.device = room, room.dtype, room.device
        self.is_initialized = True

    def _show(self, tokens: int) -> None:
        self.keys, self.values = self.room[:, :, :, :tokens]


def growing_cache(layers: int) -> Any:
    """An empty cache for a decoder of so many layers."""
    return Cache(layers=[GrowingLayer() for _ in range(layers)])
