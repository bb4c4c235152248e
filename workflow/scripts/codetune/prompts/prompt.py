"""The prompts of a test set as token ids of one model. Needs no torch."""

from collections.abc import Mapping
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_file, write_json
from codetune.base.progress import doing
from codetune.data.samples import read_part, sha256_of_samples
from codetune.models.context import read_context
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.templates import Template
from codetune.prompts.tokenizing import (
    beyond_context,
    count_lengths,
    describe_control_tokens,
    describe_template,
    describe_tokens,
    encode,
)
from codetune.prompts.tokensets import write_tokens


def tokenize_prompts(
    samples: str, split: str, tokenizer_folder: Path, template: str, targets: Mapping[str, str]
) -> None:
    """Tokenises the prompts of a test set for one model, and writes a token set and statistics.

    Nothing is truncated; prompts that leave no room for a completion in the model's context are counted. The references
    are tokenised, too, because generation batches prompts by their lengths.

    Args:
        samples: Path of the test samples.
        split: Path of the facts of the split that they come from.
        tokenizer_folder: Folder of the model's tokenizer files.
        template: Name of the template, `paper` or `chat`.
        targets: Paths to write: the token set, `prompts`, and the statistics, `stats`.

    Raises:
        StudyError: The tokenizer cannot be loaded, the template cannot be used with it, or all prompts fill the
            context.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    serialisation = Template(template, tokenizer)
    asked = read_part(samples, split)
    with doing(f"tokenising {len(asked):,} samples"):
        tokens = encode(asked, tokenizer, serialisation)
    context = read_context(tokenizer_folder)
    without_room = beyond_context((len(sample.prompt) + 1 for sample in tokens), context)
    if without_room == len(tokens):
        raise StudyError(
            f"{tokenizer_folder}: all prompts of {samples} fill the context of {context} tokens. Take the model "
            "out of the config."
        )
    write_tokens(targets["prompts"], tokens)
    stats = {
        **describe_template(serialisation, tokenizer),
        **describe_tokens(tokens),
        **describe_control_tokens(asked, "prompts", serialisation),
        "context": context,
        "prompts_without_room": without_room,
        "sha256": {"prompts": sha256_of_file(targets["prompts"])},
        "samples_sha256": {"prompts": sha256_of_samples(asked)},
    }
    print(stats)
    write_json(targets["stats"], stats | {"lengths": {"prompts": count_lengths(tokens)}})
