"""From samples to token ids. Needs no torch."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_file, write_json
from codetune.base.plain import to_plain
from codetune.base.progress import counted, doing
from codetune.data.samples import Sample, read_part, sha256_of_samples
from codetune.models.architecture import read_is_apart
from codetune.models.context import read_context
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.described import PromptFrame
from codetune.prompts.endings import holding_control_tokens
from codetune.prompts.packing import pack
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.templates import Serialisation
from codetune.prompts.text_bytes import bytes_of_text
from codetune.prompts.tokensets import TokenSample, truncate, write_tokens
from codetune.study.dataset import ONE_TURN
from codetune.study.template import Template

TRAINING_PARTS = ("train", "validation")
AT_ONCE = 1_000  # texts whose encodings are in memory at once: these hold ten times as much of each token as its id


def tokenize_training_data(
    parts: Mapping[str, str], tokenizer_folder: Path, template: Template, max_length: int, targets: Mapping[str, str]
) -> None:
    """Tokenises the training and validation samples for one model, and writes token sets and statistics.

    Args:
        parts: Paths of the samples, `train` and `validation`, and of the facts of the split, `split`.
        tokenizer_folder: Folder of the model's tokenizer files.
        template: The template.
        max_length: Most tokens per sample; longer samples are truncated or dropped, and so are those that are longer
            than the model's context. An encoder-decoder's prompt and completion may each have so many.
        targets: Paths to write: the token set of each part, and the statistics, `stats`.

    Raises:
        StudyError: The tokenizer cannot be loaded, the template cannot be used with it, or a part has no prompt that
            is shorter than `max_length` and the context.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    serialisation = serialisation_of(template, tokenizer, read_is_apart(tokenizer_folder))
    context = read_context(tokenizer_folder)
    limit = max_length if context is None else min(max_length, context)
    stats = {**describe_template(serialisation, tokenizer), "max_length": max_length, "context": context, "parts": {}}
    stats |= {"sha256": {}, "samples_sha256": {}, "lengths": {}}
    for part in counted(TRAINING_PARTS, "tokenisation", "parts"):
        samples = read_part(parts[part], parts["split"])
        with doing(f"tokenising {len(samples):,} samples for {part}"):
            encoded = encode(samples, tokenizer, serialisation)
        kept, cut = truncate(encoded, limit, serialisation.apart)
        if not kept:
            raise StudyError(f"{parts[part]}: {_why_none(max_length, context)}")
        write_tokens(targets[part], kept)
        stats["sha256"][part] = sha256_of_file(targets[part])
        stats["samples_sha256"][part] = sha256_of_samples(samples)
        stats["lengths"][part] = count_lengths(encoded)
        stats["parts"][part] = {
            **describe_tokens(kept),
            **_describe_packing(kept, max_length, serialisation.apart),
            **cut,
            **describe_control_tokens(samples, part, serialisation),
            "beyond_context": beyond_context(_text_lengths(encoded, serialisation.apart), context),
            "bytes_of_completions": bytes_of_text([sample.completion for sample in kept], tokenizer),
        }
        if part == "train":
            shown = next((tokens for tokens in kept if tokens.completion[-1] == serialisation.ending.end), kept[0])
            sample = next(sample for sample in samples if sample.id == shown.id)
            stats["example"] = _describe_sample(sample, shown, serialisation)
        print(f"{part}: {stats['parts'][part]}")
    write_json(targets["stats"], stats)


def describe_template(template: Serialisation, tokenizer: Any) -> dict[str, Any]:
    """Returns what identifies a template and a vocabulary, and how completions end.

    Raises:
        StudyError: The template does not give the same text everywhere, or cannot be used.
    """
    template.check_repeatable()
    before, after = added_ids(template)
    frame = PromptFrame(before, *template.frame, template.frame_with_input, after if template.apart else None)
    return {
        "template": template.template.name,
        "template_sha256": template.sha256,
        "vocabulary": len(tokenizer),
        "ending": to_plain(template.ending),
        "end_token": tokenizer.convert_ids_to_tokens(template.ending.end),
        "prompt": {key: value for key, value in to_plain(frame).items() if value is not None},
        **({"encoder_decoder": True} if template.apart else {}),
    }


def describe_control_tokens(samples: list[Sample], part: str, template: Serialisation) -> dict[str, int]:
    """Counts samples that hold control tokens as text, which steer the model or end a completion too early."""
    texts = [(sample.request, sample.output) for sample in samples]
    found = holding_control_tokens(texts, template.tokenizer, template.ending)
    if found:
        print(f"{part}: {found} of {len(samples)} samples hold the text of a control token or of an end")
    return {"with_control_tokens": found}


def encode(
    samples: list[Sample],
    tokenizer: Any,
    template: Serialisation,
    examples: Sequence[Sequence[Sample]] | None = None,
) -> list[TokenSample]:
    """Tokenises samples: prompts without completions, so that generation sees exactly the tokens of training.

    Each completion ends in the end token. What a tokenizer adds after every text, an EOS token for example, is left
    out: it would stand between prompt and completion. A prompt that is a text of its own has it.

    Args:
        samples: The samples.
        tokenizer: The tokenizer.
        template: The template.
        examples: Samples that stand in each prompt with their outputs; None where there are none.

    Raises:
        StudyError: Samples are conversations of several turns, and the template is not of turns.
    """
    _check_turns([*samples, *chain(*examples or ())], template.template)
    asked = counted(samples, "prompts in the template", "samples")
    shown = examples or [()] * len(samples)
    prompts = [template.prompt(sample, some) for sample, some in zip(asked, shown, strict=True)]
    if template.adds_special_tokens:
        start, end = added_ids(template)
        prompt_ids = [start + ids + (end if template.apart else []) for ids in _ids(prompts, tokenizer)]
    else:
        prompt_ids = _chat_ids(prompts, tokenizer)
    completions = [template.completion(sample) for sample in samples]
    mark = tokenizer.added_tokens_decoder.get(template.ending.end)
    if mark is not None and mark.lstrip:  # in a text this token takes the white space before it
        completions = [text.rstrip() for text in completions]
    completion_ids = _ids_after(template.answer_start, completions, tokenizer)
    return [
        TokenSample(sample.id, prompt, [*completion, template.ending.end])
        for sample, prompt, completion in zip(samples, prompt_ids, completion_ids, strict=True)
    ]


def _check_turns(samples: Sequence[Sample], template: Template) -> None:
    """Refuses conversations of several turns where a template shows none before the last."""
    several = {sample.id for sample in samples if sample.earlier}
    if several and not template.chat:
        raise StudyError(
            f"{len(several):,} samples, the first of them sample {min(several)}, are conversations of several turns, "
            f"which the template '{template.name}' does not show. Name one of turns, such as 'chat', for this model "
            f"and method, or add `keep: [{ONE_TURN}]` to the data set's entry to leave them out."
        )


def _why_none(max_length: int, context: int | None) -> str:
    """Says why no sample is left, and what to do."""
    if context is None or max_length <= context:
        return (
            f"no sample is shorter than max_length = {max_length} tokens. Raise tokenization.max_length in the config."
        )
    return f"no sample is shorter than the model's context of {context} tokens. Take the model out of the config."


def _text_lengths(samples: list[TokenSample], apart: bool) -> list[int]:
    """The length of each sample's text, or that of the longer of two."""
    return [max(len(one.prompt), len(one.completion)) if apart else len(one) for one in samples]


def beyond_context(lengths: Iterable[int], context: int | None) -> int:
    """Counts the lengths beyond a model's context, and says in the log that there are any."""
    count = 0 if context is None else sum(length > context for length in lengths)
    if count:
        print(f"texts beyond the model's context of {context} tokens: {count}", flush=True)
    return count


def describe_tokens(samples: list[TokenSample]) -> dict[str, Any]:
    """Counts samples and tokens, and describes the samples' lengths in tokens."""
    lengths = np.array([len(sample) for sample in samples])
    return {
        "samples": len(samples),
        "tokens": int(lengths.sum()),
        "tokens_of_completions": int(sum(len(sample.completion) for sample in samples)),
        "mean": round(float(lengths.mean()), 1),
        **{f"p{q}": int(np.percentile(lengths, q, method="lower")) for q in (50, 95, 99)},
        "longest": int(lengths.max()),
    }


def count_lengths(samples: list[TokenSample]) -> dict[str, int]:
    """Counts samples by their length in tokens, in ascending order; JSON has no other keys than texts."""
    return {str(length): count for length, count in sorted(Counter(map(len, samples)).items())}


def _ids_after(start: str, texts: list[str], tokenizer: Any) -> list[list[int]]:
    """Tokenises texts as they are tokenised after another text, if that text's own tokens stay the same.

    Some tokenizers put a space before a text. In the middle of a conversation it has none.
    """
    if not start:
        return _ids(texts, tokenizer)
    (before,) = _ids([start], tokenizer)
    found = _ids([start + text for text in texts], tokenizer)
    apart = [number for number, ids in enumerate(found) if ids[: len(before)] != before]
    rest = {number: ids[len(before) :] for number, ids in enumerate(found)}
    rest |= dict(zip(apart, _ids([texts[number] for number in apart], tokenizer), strict=True))
    return [rest[number] for number in range(len(texts))]


def _describe_sample(sample: Sample, tokens: TokenSample, template: Serialisation) -> dict[str, Any]:
    """Shows a sample as the model sees it: its tokens, their ids, and which of them are learned."""
    ids = tokens.prompt + tokens.completion
    return {
        "text": template.prompt(sample) + template.completion(sample),
        "tokens": template.tokenizer.convert_ids_to_tokens(ids),
        "ids": ids,
        "learned": [False] * len(tokens.prompt) + [True] * len(tokens.completion),
    }


def added_ids(template: Serialisation) -> tuple[list[int], list[int]]:
    """Returns what the tokenizer puts before and after a text of its own accord: a BOS and an EOS token, or nothing."""
    if not template.adds_special_tokens:
        return [], []
    tokenizer: Any = template.tokenizer
    ((plain,), (whole,)) = _ids(["x"], tokenizer), _ids(["x"], tokenizer, True)
    places = (place for place in range(len(whole)) if whole[place : place + len(plain)] == plain)
    place = next(places, None)
    return ([], []) if place is None else (whole[:place], whole[place + len(plain) :])


def _chat_ids(prompts: list[str], tokenizer: Any) -> list[list[int]]:
    """Tokenises prompts that have the same start and end, which are tokenised only once.

    Chat templates put much text around a request; Llama's is longer than most requests. A tokenizer splits text at
    special tokens before anything else, so start, request and end can be tokenised separately if special tokens divide
    them. Some tokenizers still treat the start of a text differently. Two prompts are compared to find out, and if they
    differ, all prompts are tokenised as a whole.
    """
    special = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special and not (token.lstrip or token.rstrip)
    ]
    common = _common_start(prompts)
    start = common[: max((common.rfind(token) + len(token) for token in special if token in common), default=0)]
    rests = [prompt.removeprefix(start) for prompt in prompts]
    common = _common_start([rest[::-1] for rest in rests])[::-1]
    end = common[min((common.find(token) for token in special if token in common), default=len(common)) :]
    before, after = _ids([start, end], tokenizer)
    found = [before + ids + after for ids in _ids([rest.removesuffix(end) for rest in rests], tokenizer)]
    probes = [prompts.index(probe) for probe in (min(prompts), max(prompts))] if prompts else []
    right = [found[probe] for probe in probes] == _ids([prompts[probe] for probe in probes], tokenizer)
    return found if right else _ids(prompts, tokenizer)


def _common_start(texts: list[str]) -> str:
    """Returns the longest start that all texts share."""
    return os.path.commonprefix([min(texts), max(texts)]) if texts else ""  # noqa: RUF071  # texts, no paths


def _ids(texts: list[str], tokenizer: Any, add_special_tokens: bool = False) -> list[list[int]]:
    """Returns the token ids of each text, by the tokenizer's Rust backend.

    Calling the transformers tokenizer gives the same ids, but takes half as long again for masks and their copies in
    Python.
    """
    if not tokenizer.is_fast:  # written in Python, without a backend
        ids: list[list[int]] = tokenizer(texts, add_special_tokens=add_special_tokens)["input_ids"] if texts else []
        return ids
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    batches = (texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE))
    encoded = (backend.encode_batch_fast(batch, add_special_tokens=add_special_tokens) for batch in batches)
    return [encoding.ids for batch in encoded for encoding in batch]


def _describe_packing(samples: list[TokenSample], max_length: int, apart: bool) -> dict[str, Any]:
    """Counts the packed sequences of `max_length` tokens, and the share of their capacity that holds tokens.

    An encoder-decoder's samples are not packed: each has a sequence of its own, of a prompt and a completion.
    """
    lengths = [len(sample) for sample in samples]
    sequences, capacity = len(pack(lengths, None if apart else max_length)), max_length * (2 if apart else 1)
    return {"packed_sequences": sequences, "packing_fill": round(sum(lengths) / (sequences * capacity), 4)}
