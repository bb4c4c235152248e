"""The prompts of a test set as token ids of one model. Needs no torch."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import reading, sha256_of_file, write_json
from codetune.base.identity import check_recorded
from codetune.base.plain import read_as
from codetune.base.progress import doing
from codetune.data.samples import Sample, read_part, sha256_of_samples
from codetune.models.architecture import read_is_apart
from codetune.models.context import read_context
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.templates import Serialisation
from codetune.prompts.tokenizing import (
    beyond_context,
    count_lengths,
    describe_control_tokens,
    describe_template,
    describe_tokens,
    encode,
)
from codetune.prompts.tokensets import TokenSample, write_tokens
from codetune.study.examples import CountFacts, ExampleFacts
from codetune.study.prompt import Examples
from codetune.study.template import Template


@dataclass(frozen=True)
class ChosenExamples:
    """The examples that stand in prompts.

    Attributes:
        facts: Path of the facts of their choice.
        train: Path of the training samples.
        split: Path of the facts of the split that these come from.
        settings: How many there are, and in which order.
        room: Tokens of the context that examples leave for a completion.
        count: Path of the choice of how many of them stand in a prompt; None where all do.
    """

    facts: str
    train: str
    split: str
    settings: Examples
    room: int
    count: str | None = None

    def read_settings(self) -> Examples:
        """Reads how many there are in a prompt, where that was chosen.

        Raises:
            StudyError: The file of the choice does not hold one.
        """
        return self.settings.of_count(read_as(self.count, CountFacts).chosen) if self.count else self.settings


@dataclass(frozen=True)
class PromptInputs:
    """What prompts are made from.

    Attributes:
        samples: Path of the test samples.
        split: Path of the facts of the split that they come from.
        tokenizer: Folder of the model's tokenizer files.
        examples: The examples in them; None where there are none.
    """

    samples: str
    split: str
    tokenizer: Path
    examples: ChosenExamples | None = None


def tokenize_prompts(inputs: PromptInputs, template: Template, targets: Mapping[str, str]) -> None:
    """Tokenises the prompts of a test set for one model, and writes a token set and statistics.

    Nothing is truncated; prompts that leave no room for a completion in the model's context are counted. Where examples
    leave too little, a prompt has fewer of them. The references are tokenised, too, because generation batches prompts
    by their lengths.

    Args:
        inputs: What to read.
        template: The template.
        targets: Paths to write: the token set, `prompts`, and the statistics, `stats`.

    Raises:
        StudyError: The tokenizer cannot be loaded, the template cannot be used with it, an input has changed, or all
            prompts fill the context.
    """
    tokenizer, context = load_tokenizer(inputs.tokenizer), read_context(inputs.tokenizer)
    serialisation = serialisation_of(template, tokenizer, read_is_apart(inputs.tokenizer))
    asked, samples_sha256 = read_part(inputs.samples, inputs.split), {}
    about_examples: dict[str, Any] = {}
    with doing(f"tokenising {len(asked):,} samples"):
        if inputs.examples is None:
            tokens = encode(asked, tokenizer, serialisation)
        else:
            settings = inputs.examples.read_settings()
            train, shown = _read_examples(inputs.examples, settings.count, asked, inputs.samples)
            limit = None if context is None else context - inputs.examples.room
            tokens, counts = encode_that_fit(asked, shown, settings, serialisation, limit)
            samples_sha256["examples"] = sha256_of_samples(train)
            about_examples = {"examples": describe_examples(tokens, counts, settings)}
    least = 0 if serialisation.apart else 1  # tokens of a completion in the prompt's context
    without_room = beyond_context((len(sample.prompt) + least for sample in tokens), context)
    if without_room == len(tokens):
        raise StudyError(
            f"{inputs.tokenizer}: all prompts of {inputs.samples} fill the context of {context} tokens. Take the model "
            "out of the config."
        )
    write_tokens(targets["prompts"], tokens)
    stats = {
        **describe_template(serialisation, tokenizer),
        **describe_tokens(tokens),
        **describe_control_tokens(asked, "prompts", serialisation),
        "context": context,
        "prompts_without_room": without_room,
        **about_examples,
        "sha256": {"prompts": sha256_of_file(targets["prompts"])},
        "samples_sha256": {"prompts": sha256_of_samples(asked), **samples_sha256},
    }
    print(stats)
    write_json(targets["stats"], stats | {"lengths": {"prompts": count_lengths(tokens)}})


def encode_that_fit(
    asked: Sequence[Sample],
    examples: Sequence[Sequence[Sample]],
    settings: Examples,
    template: Serialisation,
    limit: int | None,
) -> tuple[list[TokenSample], list[int]]:
    """Tokenises prompts with as many of their examples as there is room for.

    Args:
        asked: The samples that are asked for.
        examples: The examples of each; the last ones go first where there is no room.
        settings: In which order they stand.
        template: The template, with its tokenizer.
        limit: Most tokens of a prompt that has examples; None without a limit.

    Returns:
        The tokens of each sample, and the number of its examples.
    """
    last_first = settings.choose == "similar" and settings.order == "most-similar-last"

    def encode_some(counts: Mapping[int, int]) -> dict[int, TokenSample]:
        """Tokenises the samples at some places, each with so many of its examples."""
        shown = [examples[place][:count] for place, count in counts.items()]
        shown = [some[::-1] for some in shown] if last_first else shown
        return dict(
            zip(counts, encode([asked[one] for one in counts], template.tokenizer, template, shown), strict=True)
        )

    def fits(sample: TokenSample) -> bool:
        return limit is None or len(sample.prompt) <= limit

    counts = dict(enumerate(map(len, examples)))
    found = encode_some(counts)
    # Of the others, as many as fit, found by halving: more than `known`, which is -1 before any is, and below `counts`.
    known = {place: -1 for place, sample in found.items() if counts[place] and not fits(sample)}
    while waiting := [place for place in known if counts[place] - known[place] > 1]:
        tried = encode_some({place: (counts[place] + known[place]) // 2 for place in waiting})
        for place, sample in tried.items():
            middle = (counts[place] + known[place]) // 2
            if middle == 0 or fits(sample):
                known[place], found[place] = middle, sample
            else:
                counts[place] = middle
    counts |= known
    return [found[place] for place in range(len(asked))], [counts[place] for place in range(len(asked))]


def describe_examples(tokens: Sequence[TokenSample], counts: Sequence[int], settings: Examples) -> dict[str, Any]:
    """Counts the prompts by the number of their examples, and the tokens with which all prompts begin.

    Args:
        tokens: The prompts.
        counts: Number of examples in each.
        settings: How many were asked for.
    """
    fewer = sum(count < settings.count for count in counts)
    if fewer:
        print(
            f"prompts with fewer than {settings.count} examples, for want of room in the context: {fewer}", flush=True
        )
    prompts = [sample.prompt for sample in tokens]
    common = len(os.path.commonprefix([min(prompts), max(prompts)]))  # noqa: RUF071  # lists, no paths
    return {
        "asked": settings.count,
        "prompts_by_count": {str(count): number for count, number in sorted(Counter(counts).items(), reverse=True)},
        "common_tokens": common,
        "common_share": round(common * len(prompts) / sum(map(len, prompts)), 4),
    }


def _read_examples(
    chosen: ChosenExamples, count: int, asked: Sequence[Sample], path: str
) -> tuple[list[Sample], list[list[Sample]]]:
    """Reads the training samples, and the first examples of each test sample.

    Raises:
        StudyError: They were chosen from or for other samples.
    """
    train, facts = read_part(chosen.train, chosen.split), read_as(chosen.facts, ExampleFacts)
    found = {"train_samples": sha256_of_samples(train), "test_samples": sha256_of_samples(asked)}
    check_recorded(found, facts.inputs_sha256, {"train_samples": chosen.train, "test_samples": path}, chosen.facts)
    by_id = {sample.id: sample for sample in train}
    with reading(chosen.facts):
        if facts.tests != [sample.id for sample in asked]:
            raise ValueError("examples of other samples")
        return train, [[by_id[one] for one in ids[:count]] for ids in facts.examples]
