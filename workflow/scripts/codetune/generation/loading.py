"""The model to decode with, and how many prompts fit at once."""

from typing import Any

from codetune.models.cpu import prepare_cpu
from codetune.models.loading import Checkpoint
from codetune.models.memory import RowLimit
from codetune.models.quantization import dequantize
from codetune.models.settings import ignored_settings
from codetune.study.decoding import Decoding

RESERVE = 6_000_000_000  # bytes for prefill and for the libraries, where it is decided whether weights fit dequantised


def prompt_limit(decoding: Decoding) -> RowLimit:
    """The most prompts that are decoded at once."""
    return RowLimit(decoding.batch_size, "prompts", "Lower 'generation.max_new_tokens' in the config.")


def load_for_decoding(checkpoint: Checkpoint, decoding: Decoding) -> Any:
    """The base model with its 4-bit weights in the compute type, or in 4 bits where memory is short."""
    prepare_cpu(checkpoint.quantization.compute_dtype)
    if ignored := ignored_settings(checkpoint.folder):
        print(f"greedy decoding ignores settings of the checkpoint: {', '.join(ignored)}", flush=True)
    model = checkpoint.load()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    done = dequantize(model, reserve=int(decoding.cache_gb * 1e9) + RESERVE)
    where = f"in {model.dtype}" if done else "in 4 bits: memory is short"
    print(f"{size / 1e9:.2f} GB in 4 bits; decoding with weights {where}", flush=True)
    return model
