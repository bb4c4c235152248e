"""How completions are decoded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decoding:
    """Greedy decoding, the config's `generation`.

    Attributes:
        max_new_tokens: Tokens after which a completion is truncated.
        batch_size: Prompts that are decoded at once, at most.
        cache_gb: Gigabytes for the keys and values of a batch.
    """

    max_new_tokens: int
    batch_size: int
    cache_gb: float
