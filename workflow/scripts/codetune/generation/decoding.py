"""Batched decoding, token by token: greedy, or with another choice of each next token."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from transformers import GenerationConfig

from codetune.base.errors import StudyError
from codetune.base.progress import doing
from codetune.generation.seq2seq import EncoderDecoderReading
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
        model: A language model of transformers.
        prompts: Token ids.
        options: `max_new_tokens` and `eos_token_id` (a list).
        context: Most tokens of a prompt with its completion, of an encoder-decoder of each; None without a limit.
        choose: Chooses the next token of each row; None for the likeliest.
        copies: Number of completions of each prompt, whose rows follow one another.

    Returns:
        The new ids of each row, the end token included where there is one; none for a prompt that fills the context.
    """
    choose = choose or likeliest
    prompts = [prompt for prompt in prompts for _ in range(copies)]
    new: list[list[int]] = [[] for _ in prompts]
    context = context or max(map(len, prompts)) + options.max_new_tokens
    most = room_of(model, prompts, options, context)
    rows = [row for row, count in enumerate(most) if count > 0]  # which prompt each row of the batch is
    if not rows:
        return new
    width = max(len(prompts[row]) for row in rows)
    with torch.inference_mode(), doing(f"a batch of {len(prompts)}", "tokens at most", max(most)) as told:
        reading = begin_reading(model, [prompts[row] for row in rows[::copies]], copies)
        while True:
            tokens = choose(reading.logits, rows)
            going = _add_tokens(new, rows, tokens.tolist(), most, options.eos_token_id)
            if not going:
                return new
            told.add()
            if len(going) <= (1 - LEAVING) * len(rows) or reading.length >= context:  # whoever is there has ended
                rows = [rows[place] for place in going]
                start = width - max(len(prompts[row]) for row in rows)  # where the longest prompt left begins
                width -= start
                index = torch.tensor(going, device=device())
                tokens = tokens[index]
                reading.keep(index, start)
            reading.read(tokens)


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


def room_of(model: Any, prompts: list[list[int]], options: GenerationConfig, context: int) -> list[int]:
    """Most new tokens of each prompt."""
    if model.config.is_encoder_decoder:  # whose completion has a context of its own
        return [min(options.max_new_tokens, context) if len(prompt) <= context else 0 for prompt in prompts]
    return [min(options.max_new_tokens, context - len(prompt)) for prompt in prompts]


def likeliest(logits: torch.Tensor, _rows: list[int]) -> torch.Tensor:
    """The likeliest token of each row."""
    return logits.argmax(-1)


class Reading:
    """Texts that a decoder alone has read, one in each row, and goes on with.

    Attributes:
        logits: Of the next token of each row; shape (rows, vocabulary).
    """

    def __init__(self, model: Any, prompts: list[list[int]], copies: int = 1) -> None:
        """Reads prompts.

        Args:
            model: A causal language model of transformers.
            prompts: Token ids.
            copies: Number of rows of each prompt, which follow one another.
        """
        self._model = model
        self.logits, self._mask, self._cache = prefill(model, prompts)
        if copies > 1:
            rows = torch.arange(len(prompts), device=device()).repeat_interleave(copies)
            self.logits = self.logits[rows]
            self.keep(rows, 0)

    @property
    def length(self) -> int:
        """Number of tokens of the longest text."""
        return int(self._mask.shape[1])

    def keep(self, rows: torch.Tensor, start: int) -> None:
        """Makes rows those at some places, which may come several times.

        Args:
            rows: The places.
            start: First token to keep of each.
        """
        for layer in self._cache.layers:
            layer.keep_rows(rows, start)
        self._mask = self._mask[rows, start:]

    def read(self, tokens: torch.Tensor) -> None:
        """Reads one more token of each row; the logits are then those of the next one.

        Args:
            tokens: Shape (rows,).
        """
        positions = self._mask.sum(1, keepdim=True)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        self.logits = next_logits(self._model, tokens[:, None], self._mask, positions, self._cache)


def begin_reading(model: Any, prompts: list[list[int]], copies: int = 1) -> Reading | EncoderDecoderReading:
    """Reads prompts by whichever way a model has; see `Reading`."""
    kind = EncoderDecoderReading if model.config.is_encoder_decoder else Reading
    return kind(model, prompts, copies)


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
