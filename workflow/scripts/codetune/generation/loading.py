"""The model to decode with, and how many prompts fit at once."""

from typing import Any

from codetune.models.cpu import prepare_cpu
from codetune.models.loading import Checkpoint
from codetune.models.memory import RowLimit
from codetune.models.quantization import dequantize, held_as
from codetune.models.settings import ignored_settings
from codetune.study.decoding import Decoding
from codetune.study.facts import FOUR_BITS

RESERVE = 6_000_000_000  # bytes for prefill and for the libraries, where it is decided whether weights fit dequantised


def prompt_limit(decoding: Decoding) -> RowLimit:
    """The most prompts that are decoded at once."""
    remedy = "'generation.candidates'" if decoding.count > 1 else "'generation.max_new_tokens'"
    return RowLimit(decoding.prompts_at_once, "prompts", f"Lower {remedy} in the config.")


def load_for_decoding(checkpoint: Checkpoint, decoding: Decoding) -> Any:
    """The base model; weights in 4 bits are dequantised to the compute type unless memory is short."""
    prepare_cpu(checkpoint.quantization.compute_dtype)
    if ignored := ignored_settings(checkpoint.folder):
        print(f"decoding ignores settings of the checkpoint: {', '.join(ignored)}", flush=True)
    model = checkpoint.load()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    held = held_as(model)
    dequantize(model, reserve=int(decoding.cache_gb * 1e9) + RESERVE)
    short = ": memory is short" if held_as(model) == FOUR_BITS else ""
    print(f"{size / 1e9:.2f} GB in {held}; decoding with weights in {held_as(model)}{short}", flush=True)
    return model
