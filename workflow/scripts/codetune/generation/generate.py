"""Rule generate: predictions of one run, and the facts of how they were made."""

from typing import Any

from codetune.base.files import recover_jsonl, write_json, write_jsonl
from codetune.base.identity import file_hashes
from codetune.base.machine import environment, peak_memory
from codetune.base.unfinished import unfinished_work
from codetune.generation.batches import generate
from codetune.methods.adapters import load_adapter
from codetune.models.device import set_determinism
from codetune.models.loading import Checkpoint
from codetune.models.memory import RowLimit
from codetune.models.quantization import dequantize, linear_4bit
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import read_tokens

RESERVE = 6_000_000_000  # bytes for that and for the libraries, where it is decided whether weights fit dequantised


def generate_predictions(
    tokens: str,
    base: Checkpoint,
    adapter: str | None,
    settings: dict[str, Any],
    code: str,
    work: str,
    predictions: str,
    record: str,
) -> None:
    """Generates a completion for each prompt of a token set and writes predictions and a record.

    If an earlier attempt at the same was cut off, the batches that it finished are used.

    Args:
        tokens: Token set with the prompts.
        base: The base model.
        adapter: Folder of the adapter; None for the untuned model.
        settings: The config's `generation`.
        code: Hash of the code: what other code left unfinished is not used.
        work: Folder of unfinished work, removed in the end.
        predictions: JSON lines to write, in the order of the prompts.
        record: JSON to write.
    """
    set_determinism(0)
    hashes = {"prompts": tokens, **({"adapter": f"{adapter}/adapter_model.safetensors"} if adapter else {})}
    facts = {"settings": settings, **base.identity(), "inputs_sha256": file_hashes(**hashes)}
    with unfinished_work(work, {**facts, "code": code, "packages": environment()["packages"]}) as folder:
        model = load_for_decoding(base, settings)
        if adapter is not None:
            model = load_adapter(model, adapter)
        limit = prompt_limit(settings)
        kept = folder / "batches.jsonl"
        results = generate(model, load_tokenizer(base.checkpoint), read_tokens(tokens), settings, limit, kept)
        write_jsonl(predictions, (vars(result) for result in results))
        write_json(
            record,
            {
                **facts,
                "prompts": len(results),
                "tokens": sum(result.tokens for result in results),
                "attention": model.config._attn_implementation,
                "weights": "4 bits" if linear_4bit(model) else str(model.dtype).removeprefix("torch."),
                "truncated": sum(result.truncated for result in results),
                "most_prompts_at_once": limit.rows,
                "seconds": round(sum(batch["seconds"] for batch in recover_jsonl(kept)), 1),
                "peak_memory": peak_memory(),
                "environment": environment(),
            },
        )


def prompt_limit(settings: dict[str, Any]) -> RowLimit:
    """The most prompts that are decoded at once."""
    return RowLimit(settings["batch_size"], "prompts", "Lower 'generation.max_new_tokens' in the config.")


def load_for_decoding(base: Checkpoint, settings: dict[str, Any]) -> Any:
    """The base model with its 4-bit weights in the compute type, or in 4 bits where memory is short."""
    model = base.load()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    done = dequantize(model, reserve=int(settings["cache_gb"] * 1e9) + RESERVE)
    where = f"in {model.dtype}" if done else "in 4 bits: memory is short"
    print(f"{size / 1e9:.2f} GB in 4 bits; decoding with weights {where}", flush=True)
    return model
