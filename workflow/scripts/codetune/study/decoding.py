"""The noun Decoding: how completions are decoded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decoding:
    """Settings of greedy decoding: the config's `generation`.

    Attributes:
        max_new_tokens: Most new tokens per completion; a longer one is truncated.
        batch_size: Most prompts per batch.
        cache_gb: Most gigabytes for the key-value cache of a batch.
    """

    max_new_tokens: int
    batch_size: int
    cache_gb: float
