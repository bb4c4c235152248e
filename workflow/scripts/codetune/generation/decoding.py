"""Batched decoding, token by token: greedy, or with another choice of each next token."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from transformers import GenerationConfig

from codetune.base.errors import StudyError
from codetune.base.progress import doing
from codetune.models.caches import growing_cache
from codetune.models.device import device

PROMPT_TOKENS = 32768  # that are read at once at most, which bounds the memory it takes
PADDING = 0  # no token attends to padding, so any id will do; a tokenizer's own may lie outside the embedding
Choice = Callable[[torch.Tensor, list[int]], torch.Tensor]  # of the next token of some rows, from their logits
LEAVING = 0.125  # share of a batch that must have ended before it is made smaller, which copies keys and values


def greedy_config(model: Any, max_new_tokens: int, stops: list[int]) -> GenerationConfig:
    """The bounds of decoding and nothing else: nothing of the checkpoint's own sampling or penalties is left.

    Qwen2.5's generation_config.json holds a repetition penalty that greedy decoding would inherit. The end tokens that
    a checkpoint declares are among `stops`, which were found when the prompts were tokenised.
    """
    _check_ends(stops, model)
    options = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=stops,
        pad_token_id=PADDING,
        use_cache=True,
    )
    model.generation_config = options
    return options


def _check_ends(ends: Iterable[int], model: Any) -> None:
    """Refuses an end token that no model can write: completions would run to the limit."""
    size = model.get_input_embeddings().weight.shape[0]
    for end in sorted(ends):
        if not 0 <= end < size:
            raise StudyError(
                f"{model.config.name_or_path}: the end token {end:,} is none of the model's {size:,} tokens, counted "
                "from 0. Correct 'eos_token' in its tokenizer_config.json or 'eos_token_id' in its "
                "generation_config.json, or name another checkpoint in the config."
            )


def decode(
    model: Any,
    prompts: list[list[int]],
    options: GenerationConfig,
    context: int | None = None,
    choose: Choice | None = None,
    copies: int = 1,
) -> list[list[int]]:
    """Completes prompts token by token, as `model.generate` does, with less to compute.

    There all prompts are padded to one length, and all sequences are fed until the last one has ended. Here prompts of
    like length are read together, and sequences that have ended leave the batch.

    Args:
        model: A causal language model of transformers.
        prompts: Token ids.
        options: `max_new_tokens` and `eos_token_id` (a list).
        context: Most tokens of a prompt with its completion; None without a limit.
        choose: Chooses the next token of each row; None for the likeliest.
        copies: Number of completions of each prompt, whose rows follow one another.

    Returns:
        The new ids of each row, the end token included where there is one; none for a prompt that fills the context.
    """
    choose = choose or likeliest
    prompts = [prompt for prompt in prompts for _ in range(copies)]
    new: list[list[int]] = [[] for _ in prompts]
    context = context or max(map(len, prompts)) + options.max_new_tokens
    most = room_of(prompts, options, context)
    rows = [row for row, count in enumerate(most) if count > 0]  # which prompt each row of the batch is
    if not rows:
        return new
    width = max(len(prompts[row]) for row in rows)
    with torch.inference_mode(), doing(f"a batch of {len(prompts)}", "tokens at most", max(most)) as told:
        logits, mask, cache = prefill(model, [prompts[row] for row in rows[::copies]])
        logits, mask = spread(logits, mask, cache, copies)
        while True:
            tokens = choose(logits, rows)
            going = _add_tokens(new, rows, tokens.tolist(), most, options.eos_token_id)
            if not going:
                return new
            told.add()
            if len(going) <= (1 - LEAVING) * len(rows) or mask.shape[1] >= context:  # whoever is there has ended
                rows = [rows[place] for place in going]
                start = width - max(len(prompts[row]) for row in rows)  # where the longest prompt left begins
                width -= start
                index = torch.tensor(going, device=device())
                tokens, mask = tokens[index], keep_rows(cache, mask, index, start)
            logits, mask = read_tokens(model, tokens, mask, cache)


def _add_tokens(
    new: list[list[int]], rows: list[int], tokens: list[int], most: list[int], ends: list[int]
) -> list[int]:
    """Adds a token to each row that has not ended; gives the places of the rows that go on."""

    def goes_on(row: int) -> bool:
        return len(new[row]) < most[row] and not (new[row] and new[row][-1] in ends)

    for row, token in zip(rows, tokens, strict=True):
        if goes_on(row):
            new[row].append(token)
    return [place for place, row in enumerate(rows) if goes_on(row)]


def room_of(prompts: list[list[int]], options: GenerationConfig, context: int) -> list[int]:
    """Most new tokens of each prompt."""
    return [min(options.max_new_tokens, context - len(prompt)) for prompt in prompts]


def likeliest(logits: torch.Tensor, _rows: list[int]) -> torch.Tensor:
    """The likeliest token of each row."""
    return logits.argmax(-1)


def spread(logits: torch.Tensor, mask: torch.Tensor, cache: Any, copies: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Repeats each row, of the cache too; gives the logits and the mask of all rows."""
    if copies == 1:
        return logits, mask
    index = torch.arange(len(mask), device=device()).repeat_interleave(copies)
    return logits[index], keep_rows(cache, mask, index, 0)


def keep_rows(cache: Any, mask: torch.Tensor, rows: torch.Tensor, start: int) -> torch.Tensor:
    """Makes rows of a cache those at some places, which may come several times; gives their mask.

    Args:
        cache: The cache.
        mask: Its mask.
        rows: Places of the rows.
        start: First token to keep.
    """
    for layer in cache.layers:
        layer.keep_rows(rows, start)
    return mask[rows, start:]


def read_tokens(model: Any, tokens: torch.Tensor, mask: torch.Tensor, cache: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Reads one more token of each row; gives the logits of the next one, and the mask with that which was read."""
    positions = mask.sum(1, keepdim=True)
    mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return next_logits(model, tokens[:, None], mask, positions, cache), mask


def prefill(model: Any, prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Reads prompts, those of like length together.

    Returns:
        The logits of the first new token of each, the mask of the prompts padded on the left, and the cache for both.
    """
    width, layers = max(map(len, prompts)), model.config.num_hidden_layers
    _, mask = _padded(prompts)
    logits: dict[int, torch.Tensor] = {}
    cache = growing_cache(layers)
    for group in prefill_groups([len(prompt) for prompt in prompts]):
        ids, seen = _padded([prompts[row] for row in group])
        part = growing_cache(layers)
        found = next_logits(model, ids, seen, (seen.cumsum(1) - 1).clamp(min=0), part)
        logits |= dict(zip(group, found, strict=True))
        for whole, layer in zip(cache.layers, part.layers, strict=True):
            whole.copy_rows(layer, group, len(prompts), width)
    return torch.stack([logits[row] for row in range(len(prompts))]), mask, cache


def prefill_groups(lengths: list[int]) -> list[list[int]]:
    """Groups of prompts that are read together: not much padding, no more tokens than memory is kept for."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        longest = lengths[groups[-1][0]] if groups else 0
        if lengths[row] < 0.75 * longest - 8 or not groups or (len(groups[-1]) + 1) * longest > PROMPT_TOKENS:
            groups.append([])
        groups[-1].append(row)
    return groups


def _padded(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids padded on the left, and the mask that shows the padding; each of shape (prompts, longest)."""
    width = max(map(len, prompts))
    ids = [[PADDING] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device()), torch.tensor(mask, device=device())


def next_logits(model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
    """The logits of the token after each row; shape (rows, vocabulary)."""
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = output.logits[:, -1]
    return logits
