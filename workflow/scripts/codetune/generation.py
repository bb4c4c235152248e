"""Batched greedy decoding."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig

from codetune import records
from codetune.files import write_json, write_jsonl
from codetune.models import device, load_adapter, load_base, set_determinism
from codetune.prompts import clean_completion
from codetune.tokens import TokenSample, load_tokenizer, read_tokens


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


def generate_predictions(
    tokens: str,
    checkpoint: str,
    adapter: str | None,
    attention: str,
    quantization: dict[str, Any],
    settings: dict[str, Any],
    predictions: str,
    record: str,
) -> None:
    """Generates a completion for each prompt of a token set and writes predictions and a record.

    Args:
        tokens: Token set with the prompts.
        checkpoint: Folder of the base model.
        adapter: Folder of the adapter; None for the untuned model.
        attention: `sdpa` or `eager`.
        quantization: The config's `quantization`.
        settings: The config's `generation`.
        predictions: JSON lines to write, in the order of the prompts.
        record: JSON to write.
    """
    set_determinism(0)
    model = load_base(checkpoint, quantization, attention)
    if adapter is not None:
        model = load_adapter(model, adapter)
    start = time.monotonic()
    results = generate(model, load_tokenizer(checkpoint), read_tokens(tokens), settings)
    seconds = time.monotonic() - start
    write_jsonl(predictions, (vars(result) for result in results))
    hashes = {"prompts": tokens, **({"adapter": f"{adapter}/adapter_model.safetensors"} if adapter else {})}
    write_json(
        record,
        {
            "settings": settings,
            "quantization": quantization,
            "attention": attention,
            "checkpoint": records.checkpoint_identity(checkpoint),
            "inputs_sha256": records.file_hashes(**hashes),
            "prompts": len(results),
            "tokens": sum(result.tokens for result in results),
            "truncated": sum(result.truncated for result in results),
            "seconds": round(seconds, 1),
            "peak_memory": records.peak_memory(),
            "environment": records.environment(),
        },
    )


def generate(model: Any, tokenizer: Any, prompts: list[TokenSample], settings: dict[str, Any]) -> list[Prediction]:
    """Greedy completions of all prompts, in their order.

    Prompts whose references are of like length are decoded together, since a batch takes as many steps as its longest
    completion. The batches do not depend on the model, so untuned and tuned models are treated alike.

    Args:
        model: A causal language model, with or without an adapter.
        tokenizer: Its tokenizer.
        prompts: Prompts; the completions in them only serve to sort.
        settings: `max_new_tokens`, `batch_size` and `batch_tokens` of the config.
    """
    options = greedy_config(model, tokenizer, settings["max_new_tokens"])
    results: dict[int, Prediction] = {}
    start, report = time.monotonic(), 0.0
    for batch in make_batches(prompts, settings):
        output = _decode(model, [prompts[index].prompt for index in batch], options)
        for index, ids in zip(batch, output, strict=True):
            results[index] = _prediction(prompts[index].id, ids, tokenizer, options)
        elapsed = time.monotonic() - start
        if elapsed - report > 10 or len(results) == len(prompts):
            report = elapsed
            written = sum(result.tokens for result in results.values())
            print(f"{len(results)} of {len(prompts)} prompts, {written / elapsed:.0f} tokens/s", flush=True)
    return [results[index] for index in range(len(prompts))]


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
