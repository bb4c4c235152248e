"""Batched greedy decoding."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from codetune import records
from codetune.architectures import cache_bytes
from codetune.caches import growing_cache
from codetune.files import append_jsonl, recover_jsonl, write_json, write_jsonl
from codetune.memory import RowLimit
from codetune.models import dequantize, device, linear_4bit, load_adapter, load_base, set_determinism
from codetune.prompts import clean_completion
from codetune.tokens import TokenSample, load_tokenizer, read_tokens
from codetune.unfinished import unfinished_work

PROMPT_TOKENS = 32768  # that are read at once at most, which bounds the memory it takes
RESERVE = 6_000_000_000  # bytes for that and for the libraries, where it is decided whether weights fit dequantised
LEAVING = 0.125  # share of a batch that must have ended before it is made smaller, which copies keys and values


@dataclass(frozen=True)
class Prediction:
    """What a model wrote for one prompt.

    Attributes:
        id: Number of the prompt's record in the data set.
        text: The code: up to the template's end marker, without outer white space.
        tokens: Number of tokens generated, the end token included.
        truncated: Whether the limit on new tokens cut it off before it ended.
    """

    id: int
    text: str
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class Base:
    """A base model as its checkpoint is loaded.

    Attributes:
        checkpoint: Folder of the checkpoint.
        quantization: The config's `quantization`.
    """

    checkpoint: str
    quantization: dict[str, Any]

    def load(self) -> Any:
        """The model in 4 bits."""
        return load_base(self.checkpoint, self.quantization)

    def identity(self) -> dict[str, Any]:
        """What tells it from other models, and its checkpoint's origin and hash."""
        return {**asdict(self), "checkpoint": records.checkpoint_identity(self.checkpoint)}


def generate_predictions(
    tokens: str,
    base: Base,
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
    facts = {"settings": settings, **base.identity(), "inputs_sha256": records.file_hashes(**hashes)}
    with unfinished_work(work, {**facts, "code": code, "packages": records.environment()["packages"]}) as folder:
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
                "peak_memory": records.peak_memory(),
                "environment": records.environment(),
            },
        )


def prompt_limit(settings: dict[str, Any]) -> RowLimit:
    """The most prompts that are decoded at once."""
    return RowLimit(settings["batch_size"], "prompts", "Lower 'generation.max_new_tokens' in the config.")


def load_for_decoding(base: Base, settings: dict[str, Any]) -> Any:
    """The base model with its 4-bit weights in the compute type, or in 4 bits where memory is short."""
    model = base.load()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    done = dequantize(model, reserve=int(settings["cache_gb"] * 1e9) + RESERVE)
    where = f"in {model.dtype}" if done else "in 4 bits: memory is short"
    print(f"{size / 1e9:.2f} GB in 4 bits; decoding with weights {where}", flush=True)
    return model


def generate(
    model: Any, tokenizer: Any, prompts: list[TokenSample], settings: dict[str, Any], limit: RowLimit, kept: Path
) -> list[Prediction]:
    """Greedy completions of all prompts, in their order.

    Prompts whose references are of like length are decoded together, since a batch takes as many steps as its longest
    completion. The batches do not depend on what is generated, so untuned and tuned models are treated alike.

    Args:
        model: A causal language model, with or without an adapter.
        tokenizer: Its tokenizer.
        prompts: Prompts; the completions in them only serve to sort.
        settings: `max_new_tokens`, `batch_size` and `cache_gb` of the config.
        limit: Lowered if memory runs out; a batch is then decoded in parts.
        kept: File of finished batches: those in it are used, and each batch is added when it is done.
    """
    options = greedy_config(model, tokenizer, settings["max_new_tokens"])
    cache_tokens = int(settings["cache_gb"] * 1e9) // cache_bytes(model.config.to_dict(), model.dtype.itemsize)
    results = {row["id"]: Prediction(**row) for batch in recover_jsonl(kept) for row in batch["predictions"]}
    if results:
        print(f"going on after {len(results)} of {len(prompts)} prompts", flush=True)
    start = report = time.monotonic()
    written = 0
    for batch in make_batches(prompts, settings, cache_tokens):
        chosen = [prompts[index] for index in batch]
        if chosen[0].id in results:
            continue
        began = time.monotonic()
        predictions = _complete(model, tokenizer, chosen, options, limit)
        now = time.monotonic()
        append_jsonl(kept, [{"seconds": round(now - began, 2), "predictions": [vars(p) for p in predictions]}])
        results |= {prediction.id: prediction for prediction in predictions}
        written += sum(prediction.tokens for prediction in predictions)
        if now - report > 10 or len(results) == len(prompts):
            report = now
            print(f"{len(results)} of {len(prompts)} prompts, {written / (now - start):.0f} tokens/s", flush=True)
    return [results[prompt.id] for prompt in prompts]


def _complete(
    model: Any, tokenizer: Any, prompts: list[TokenSample], options: GenerationConfig, limit: RowLimit
) -> list[Prediction]:
    def part(rows: slice) -> list[list[int]]:
        return decode(model, [prompt.prompt for prompt in prompts[rows]], options)

    ids = [row for rows in limit.map(part, len(prompts), undo=lambda: None) for row in rows]
    return [_prediction(prompt.id, row, tokenizer, options) for prompt, row in zip(prompts, ids, strict=True)]


def greedy_config(model: Any, tokenizer: Any, max_new_tokens: int) -> GenerationConfig:
    """Greedy decoding and nothing else: nothing of the checkpoint's own sampling or penalties is left.

    Qwen2.5's generation_config.json holds a repetition penalty that greedy decoding would inherit; of the checkpoint's
    settings only its list of end tokens is kept.
    """
    own = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])} - {None}
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends)
    options = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=sorted(ends),
        pad_token_id=pad,
        use_cache=True,
    )
    model.generation_config = options
    return options


def make_batches(prompts: list[TokenSample], settings: dict[str, Any], cache_tokens: int) -> Iterator[list[int]]:
    """Batches of prompt indices, those with the longest references first, so that too much memory shows at once.

    Args:
        prompts: The prompts.
        settings: `max_new_tokens` and `batch_size` of the config.
        cache_tokens: Tokens whose keys and values there is room for.
    """
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i].completion), -len(prompts[i].prompt), i))
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, len(prompts[index].prompt))
        room = cache_tokens // (longest + settings["max_new_tokens"])
        if batch and len(batch) >= min(settings["batch_size"], room):
            yield batch
            batch, longest = [], len(prompts[index].prompt)
        batch.append(index)
    if batch:
        yield batch


def decode(model: Any, prompts: list[list[int]], options: GenerationConfig) -> list[list[int]]:
    """Completes prompts by greedy decoding, as `model.generate` does, with less to compute.

    There all prompts are padded to one length, and all sequences are fed until the last one has ended. Here prompts of
    like length are read together, and sequences that have ended leave the batch.

    Args:
        model: A causal language model of transformers.
        prompts: Token ids.
        options: `max_new_tokens`, `eos_token_id` (a list) and `pad_token_id`.

    Returns:
        The new ids of each prompt, the end token included where there is one.
    """
    new: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))  # which prompt each row of the batch is
    width = max(map(len, prompts))
    with torch.inference_mode():
        tokens, mask, cache = _read(model, prompts, options.pad_token_id)
        while True:
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if not new[row] or new[row][-1] not in options.eos_token_id:
                    new[row].append(token)
            going = [place for place, row in enumerate(rows) if new[row][-1] not in options.eos_token_id]
            if not going or len(new[rows[going[0]]]) == options.max_new_tokens:
                return new
            if len(going) <= (1 - LEAVING) * len(rows):
                rows = [rows[place] for place in going]
                start = width - max(len(prompts[row]) for row in rows)  # where the longest prompt left begins
                width -= start
                index = torch.tensor(going, device=device())
                for layer in cache.layers:
                    layer.select(index, start)
                tokens, mask = tokens[index], mask[index, start:]
            positions = mask.sum(1, keepdim=True)
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            tokens = _next_tokens(model, tokens[:, None], mask, positions, cache)


def _read(model: Any, prompts: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Reads prompts, those of like length together.

    Returns:
        The first new token of each, the mask of the prompts padded on the left, and the cache for both.
    """
    width, layers = max(map(len, prompts)), model.config.num_hidden_layers
    _, mask = _padded(prompts, pad)
    tokens = mask.new_empty(len(prompts))
    cache = growing_cache(layers)
    for group in reading_groups([len(prompt) for prompt in prompts]):
        ids, seen = _padded([prompts[row] for row in group], pad)
        part = growing_cache(layers)
        tokens[group] = _next_tokens(model, ids, seen, (seen.cumsum(1) - 1).clamp(min=0), part)
        for whole, layer in zip(cache.layers, part.layers, strict=True):
            whole.place(layer, group, len(prompts), width)
    return tokens, mask, cache


def reading_groups(lengths: list[int]) -> list[list[int]]:
    """Groups of prompts that are read together: not much padding, no more tokens than memory is kept for."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        longest = lengths[groups[-1][0]] if groups else 0
        if lengths[row] < 0.75 * longest - 8 or not groups or (len(groups[-1]) + 1) * longest > PROMPT_TOKENS:
            groups.append([])
        groups[-1].append(row)
    return groups


def _padded(prompts: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids padded on the left, and the mask that shows the padding; each of shape (prompts, longest)."""
    width = max(map(len, prompts))
    ids = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device()), torch.tensor(mask, device=device())


def _next_tokens(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
) -> torch.Tensor:
    """The likeliest token after each row."""
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    tokens: torch.Tensor = output.logits[:, -1].argmax(-1)
    return tokens


def _prediction(prompt_id: int, ids: list[int], tokenizer: Any, options: GenerationConfig) -> Prediction:
    end = next((position for position, token in enumerate(ids) if token in options.eos_token_id), None)
    ids = ids if end is None else ids[: end + 1]
    # Skipping special tokens would also drop the paper's end marker where it is one (Phi-3), so only the end goes.
    raw = tokenizer.decode(ids if end is None else ids[:end], clean_up_tokenization_spaces=False)
    text = clean_completion(raw)
    return Prediction(prompt_id, text, len(ids), truncated=end is None and "<|end|>" not in raw)
