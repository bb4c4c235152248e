"""A trial of decoding: in a batch and with a cache, a model computes what it computes of each text alone."""

from typing import Any

import torch

from codetune.base.errors import StudyError
from codetune.base.machine import is_out_of_memory
from codetune.generation.decoding import Reading
from codetune.generation.seq2seq import EncoderDecoderReading
from codetune.models.context import context_of
from codetune.models.device import device
from codetune.prompts.tokensets import TokenSample

STEPS = 8  # tokens that are decoded
# Most that the logits may differ, relative to their norm. In bf16 they differ by 0.03 in wide models of random weights
# and by 0.08 where attention is sharp, in fp32 by less than 1e-4, and by more than 0.6 where decoding goes wrong.
ROUNDING = {torch.bfloat16: 0.25, torch.float32: 0.01}


def try_decoding(model: Any, prompts: list[TokenSample], max_new_tokens: int) -> None:
    """Decodes the ends of the shortest and the longest text together, and compares the logits with those of each alone.

    They are others where a model has no cache of keys and values, does not know the mask of padding, sees tokens to
    come, or keeps to another window with a cache than without.

    Args:
        model: A language model.
        prompts: Prompts with their references, which make up the texts.
        max_new_tokens: Most tokens of a reference that are taken.

    Raises:
        StudyError: The logits differ by more than rounding, or memory runs out.
    """
    folder, context = model.config.name_or_path, context_of(model.config)
    texts = [(one.prompt + one.completion)[: len(one.prompt) + max_new_tokens][:context] for one in prompts]
    texts = sorted((text for text in texts if len(text) > 1), key=len)
    if not texts:
        return
    try:
        if model.config.is_encoder_decoder:
            fitting = [one for one in prompts if context is None or len(one.prompt) <= context]
            difference = _difference_apart(model, sorted(fitting, key=len)) if fitting else 0.0
        else:
            difference = _difference(model, [texts[0], texts[-1]])
    except Exception as error:  # models without such a cache fail in all kinds of ways
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if is_out_of_memory(error):
            raise StudyError(
                f"memory ran out while decoding was tried on two texts ({reason}). Is another program using that GPU?"
            ) from None
        raise StudyError(
            f"{folder}: cannot be decoded with a cache ({reason}). Take the model out of the runs."
        ) from None
    print(f"decoding differs by {difference:.1e} from each text alone (relative)", flush=True)
    if not difference < ROUNDING[model.dtype]:
        raise StudyError(
            f"{folder}: in a batch and with a cache, this model's logits differ from those of a text alone by "
            f"{difference:.1e} of their norm. Take the model out of the runs."
        )


def _difference(model: Any, texts: list[list[int]]) -> float:
    """How far the logits at the last tokens are from those of each text alone, at most, relative to their norm."""
    steps = min(STEPS, *(len(text) - 1 for text in texts))
    rows = [torch.tensor([text], device=device()) for text in texts]
    found = []
    with torch.inference_mode():
        alone = [model(row, use_cache=False, logits_to_keep=steps).logits[0, -steps:].float() for row in rows]
        reading = Reading(model, [text[:-steps] for text in texts])
        for step in range(steps, 0, -1):
            reading.read(torch.cat([row[0, [-step]] for row in rows]))
            found.append(reading.logits.float())
    return _most(torch.stack(found, dim=1), alone)


def _difference_apart(model: Any, samples: list[TokenSample]) -> float:
    """The same of an encoder-decoder, at the first tokens of the shortest sample's completion and the longest's."""
    chosen = (samples[0], samples[-1])
    steps = min(STEPS, *(len(one.completion) for one in chosen))
    inputs = [torch.tensor([one.prompt], device=device()) for one in chosen]
    start = [model.config.decoder_start_token_id]
    outputs = torch.tensor([start + one.completion[: steps - 1] for one in chosen], device=device())
    with torch.inference_mode():
        alone = [
            model(input_ids=ids, decoder_input_ids=row[None], use_cache=False).logits[0].float()
            for ids, row in zip(inputs, outputs, strict=True)
        ]
        reading = EncoderDecoderReading(model, [one.prompt for one in chosen])
        found = [reading.logits.float()]
        for step in range(1, steps):
            reading.read(outputs[:, step])
            found.append(reading.logits.float())
    return _most(torch.stack(found, dim=1), alone)


def _most(together: torch.Tensor, alone: list[torch.Tensor]) -> float:
    """The largest difference of logits at a token, relative to their norm; shapes (texts, tokens, vocabulary)."""
    return max(float((x - y).norm(dim=1).div(y.norm(dim=1)).max()) for x, y in zip(together, alone, strict=True))
