"""The candidates of some prompts, by whichever decoding the study has."""

from typing import Any

from transformers import GenerationConfig

from codetune.generation.beams import search_beams
from codetune.generation.decoding import decode
from codetune.generation.sampling import Sampler
from codetune.prompts.tokensets import TokenSample
from codetune.study.decoding import Decoding

Written = tuple[list[int], float | None]  # the ids of a completion, and its score where it is a beam


def find_candidates(
    model: Any, prompts: list[TokenSample], decoding: Decoding, options: GenerationConfig, context: int | None
) -> list[list[Written]]:
    """Completes prompts that are decoded together.

    Args:
        model: A language model of transformers.
        prompts: The prompts.
        decoding: The settings.
        options: `max_new_tokens` and `eos_token_id` (a list).
        context: Most tokens of a prompt with its completion, of an encoder-decoder of each; None without a limit.

    Returns:
        The candidates of each prompt in their order.
    """
    texts = [prompt.prompt for prompt in prompts]
    if decoding.kind == "beam":
        searched = search_beams(model, texts, options, decoding.count, context)
        return [[(beam.ids, round(beam.score, 4)) for beam in beams] for beams in searched]
    sampler = Sampler(decoding, [prompt.id for prompt in prompts]) if decoding.is_random else None
    rows = decode(model, texts, options, context, sampler, decoding.count)
    written: list[Written] = [(ids, None) for ids in rows]
    return [written[start : start + decoding.count] for start in range(0, len(written), decoding.count)]
