"""Completions of all prompts, batch by batch, resumed after the last finished batch."""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from codetune.base.files import append_jsonl, recover_jsonl
from codetune.base.machine import memory_in_words
from codetune.base.progress import doing
from codetune.data.predictions import Candidate, Prediction, predictions_of, to_row
from codetune.generation.candidates import Written, find_candidates
from codetune.generation.decoding import greedy_config
from codetune.models.caches import cache_bytes
from codetune.models.context import context_of
from codetune.models.memory import RowLimit
from codetune.prompts.completions import Ending
from codetune.prompts.tokensets import TokenSample
from codetune.study.decoding import Decoding


def generate(
    model: Any,
    tokenizer: Any,
    prompts: list[TokenSample],
    decoding: Decoding,
    ending: Ending,
    limit: RowLimit,
    kept: Path,
) -> list[Prediction]:
    """Completions of all prompts, in their order.

    Prompts with references of similar length are decoded together, since a batch takes as many steps as its longest
    completion. The batches do not depend on what is generated, so untuned and tuned models are treated alike.

    Args:
        model: A language model, untuned or tuned.
        tokenizer: Its tokenizer.
        prompts: Prompts; the completions in them only serve to sort.
        decoding: The settings.
        ending: What ends a completion.
        limit: Most prompts that are decoded at once; lowered if memory runs out.
        kept: File of finished batches. Those in it are not decoded again, and each batch is added when it is done.
    """
    options = greedy_config(model, decoding.max_new_tokens, ending.stops)
    cache_tokens = int(decoding.cache_gb * 1e9) // cache_bytes(model.config, model.dtype.itemsize)
    rows = [row for batch in recover_jsonl(kept) for row in batch["predictions"]]
    results = {prediction.id: prediction for prediction in predictions_of(rows, kept)}
    if results:
        print(f"going on after {len(results)} of {len(prompts)} prompts", flush=True)
    for chosen in _batches_left(make_batches(prompts, decoding, cache_tokens), prompts, results):
        began = time.monotonic()
        completed = zip(chosen, _complete(model, chosen, decoding, options, limit), strict=True)
        predictions = [
            Prediction(prompt.id, [_candidate(one, tokenizer, ending) for one in written])
            for prompt, written in completed
        ]
        seconds = time.monotonic() - began
        append_jsonl(kept, [{"seconds": round(seconds, 2), "predictions": list(map(to_row, predictions))}])
        results |= {prediction.id: prediction for prediction in predictions}
    if cut := cut_by_context(results.values(), decoding):
        print(f"completions that the model's context cut off: {cut}", flush=True)
    return [results[prompt.id] for prompt in prompts]


def _batches_left(
    batches: Iterable[list[int]], prompts: list[TokenSample], results: Mapping[int, Prediction]
) -> Iterator[list[TokenSample]]:
    """The batches without results, which come while a batch is decoded; says in the log how far all of them are."""
    tokens = report = 0.0
    with doing("generation", "prompts", len(prompts), len(results)) as told:
        for batch in batches:
            chosen = [prompts[index] for index in batch]
            if chosen[0].id in results:
                continue
            yield chosen
            told.add(len(chosen))
            tokens += sum(one.tokens for prompt in chosen for one in results[prompt.id].candidates)
            passed = time.monotonic() - told.began
            if passed - report > 10 or told.done == told.total:
                report = passed
                speed = f"{tokens / passed:,.0f} tokens/s"
                print(f"{told.told(told.began + passed)}, {speed}, {memory_in_words()}", flush=True)


def cut_by_context(predictions: Iterable[Prediction], decoding: Decoding) -> int:
    """Counts the completions that were cut off before they had as many tokens as they might: the context ended."""
    written = (candidate for prediction in predictions for candidate in prediction.candidates)
    return sum(candidate.truncated and candidate.tokens < decoding.max_new_tokens for candidate in written)


def _complete(
    model: Any, prompts: list[TokenSample], decoding: Decoding, options: GenerationConfig, limit: RowLimit
) -> list[list[Written]]:
    context = context_of(model.config)

    def part(rows: slice) -> list[list[Written]]:
        return find_candidates(model, prompts[rows], decoding, options, context)

    return [written for rows in limit.map(part, len(prompts), undo=lambda: None) for written in rows]


def make_batches(prompts: list[TokenSample], decoding: Decoding, cache_tokens: int) -> Iterator[list[int]]:
    """Batches of prompt indices, the longest references first, so that it shows at once if memory does not suffice.

    Args:
        prompts: The prompts.
        decoding: The settings.
        cache_tokens: Most tokens whose keys and values are held at once, of each candidate its own.
    """
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i].completion), -len(prompts[i].prompt), i))
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, len(prompts[index].prompt))
        room = cache_tokens // ((longest + decoding.max_new_tokens) * decoding.count)
        if batch and len(batch) >= min(decoding.prompts_at_once, room):
            yield batch
            batch, longest = [], len(prompts[index].prompt)
        batch.append(index)
    if batch:
        yield batch


def _candidate(written: Written, tokenizer: Any, ending: Ending) -> Candidate:
    ids, score = written
    end = next((position for position, token in enumerate(ids) if token in ending.stops), None)
    ids = ids if end is None else ids[: end + 1]
    # Skipping special tokens would also drop the paper's end marker where it is one (Phi-3), so only the end goes.
    raw = tokenizer.decode(ids if end is None else ids[:end], clean_up_tokenization_spaces=False)
    truncated = end is None and not ending.ends(raw)
    return Candidate(ending.answer(raw), len(ids), truncated, score)
