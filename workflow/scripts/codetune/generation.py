"""Batched greedy decoding."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from codetune import records
from codetune.files import append_jsonl, recover_jsonl, write_json, write_jsonl
from codetune.memory import RowLimit
from codetune.models import device, load_adapter, load_base, set_determinism
from codetune.prompts import clean_completion
from codetune.tokens import TokenSample, load_tokenizer, read_tokens
from codetune.unfinished import unfinished_work


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
        model = base.load()
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


def generate(
    model: Any, tokenizer: Any, prompts: list[TokenSample], settings: dict[str, Any], limit: RowLimit, kept: Path
) -> list[Prediction]:
    """Greedy completions of all prompts, in their order.

    Prompts whose references are of like length are decoded together, since a batch takes as many steps as its longest
    completion. The batches do not depend on the model, so untuned and tuned models are treated alike.

    Args:
        model: A causal language model, with or without an adapter.
        tokenizer: Its tokenizer.
        prompts: Prompts; the completions in them only serve to sort.
        settings: `max_new_tokens`, `batch_size` and `batch_tokens` of the config.
        limit: Lowered if memory runs out; a batch is then decoded in parts.
        kept: File of finished batches: those in it are used, and each batch is added when it is done.
    """
    options = greedy_config(model, tokenizer, settings["max_new_tokens"])
    results = {row["id"]: Prediction(**row) for batch in recover_jsonl(kept) for row in batch["predictions"]}
    if results:
        print(f"going on after {len(results)} of {len(prompts)} prompts", flush=True)
    start = report = time.monotonic()
    written = 0
    for batch in make_batches(prompts, settings):
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
        return _decode(model, [prompt.prompt for prompt in prompts[rows]], options)

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


def make_batches(prompts: list[TokenSample], settings: dict[str, Any]) -> Iterator[list[int]]:
    """Batches of prompt indices, those with the longest references first, so that too much memory shows at once."""
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i].completion), -len(prompts[i].prompt), i))
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, len(prompts[index].prompt))
        budget = settings["batch_tokens"] // (longest + settings["max_new_tokens"])
        if batch and len(batch) >= min(settings["batch_size"], budget):
            yield batch
            batch, longest = [], len(prompts[index].prompt)
        batch.append(index)
    if batch:
        yield batch


def _decode(model: Any, prompts: list[list[int]], options: GenerationConfig) -> list[list[int]]:
    """Completes prompts padded on the left; returns the new ids alone, with padding behind the end token."""
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), options.pad_token_id)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    with torch.inference_mode():
        output = model.generate(input_ids=ids.to(device()), attention_mask=mask.to(device()), generation_config=options)
    new: list[list[int]] = output[:, width:].tolist()
    return new


def _prediction(prompt_id: int, ids: list[int], tokenizer: Any, options: GenerationConfig) -> Prediction:
    end = next((position for position, token in enumerate(ids) if token in options.eos_token_id), None)
    ids = ids if end is None else ids[: end + 1]
    # Skipping special tokens would also drop the paper's end marker where it is one (Phi-3), so only the end goes.
    raw = tokenizer.decode(ids if end is None else ids[:end], clean_up_tokenization_spaces=False)
    text = clean_completion(raw)
    return Prediction(prompt_id, text, len(ids), truncated=end is None and "<|end|>" not in raw)
