"""The noun Prompt: how a sample is put to a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from codetune.base.errors import StudyError
from codetune.study.mistakes import unknown_name

Choice = Literal["random", "similar"]
Order = Literal["most-similar-last", "most-similar-first"]


@dataclass(frozen=True)
class Examples:
    """Training samples that stand in a prompt, each with its output, before the sample that is asked for.

    Attributes:
        count: How many, if they fit into the model's context; the most of them where `counts` has several.
        choose: `random`: by the seed of a run, the same for all samples of a test set; `similar`: those whose requests
            are most similar, for each sample its own.
        order: Where the most similar one stands: last, right before the sample, or first.
        encoder: Name of the encoder whose vectors tell what is similar; None for the words, by BM25.
        counts: Numbers that are tried on the validation part, of which each run has the best; empty where `count` is
            fixed.
    """

    count: int
    choose: Choice
    order: Order = "most-similar-last"
    encoder: str | None = None
    counts: list[int] = field(default_factory=list)

    def of_count(self, count: int) -> "Examples":
        """These examples with a fixed number of them."""
        return replace(self, count=count, counts=[])


@dataclass(frozen=True)
class Prompt:
    """An entry of the config's `prompts`.

    Attributes:
        name: Its name in the config.
        template: Name of the template.
        examples: The examples in it; None where there are none.
    """

    name: str
    template: str
    examples: Examples | None = None


def read_prompts(config: Mapping[str, Any]) -> dict[str, Prompt]:
    """Reads the prompts of a configuration, by name.

    Args:
        config: The configuration, already checked against its schema.

    Raises:
        StudyError: An entry says something that has no meaning.
    """
    found = {}
    for name, entry in config.get("prompts", {}).items():
        examples = _read_examples(entry["examples"]) if "examples" in entry else None
        if examples and examples.choose == "random" and "order" in entry["examples"]:
            raise StudyError(
                f"config: prompts.{name}.examples: 'order' says nothing with 'choose: random', whose examples stand as "
                "they were drawn; leave it out"
            )
        if examples and examples.encoder is not None:
            _check_encoder(f"prompts.{name}.examples", examples, config.get("encoders", {}))
        users = [method for method, one in config["methods"].items() if one.get("prompt") == name]
        if examples and examples.counts and len(users) > 1:
            raise StudyError(
                f"config: methods.{users[1]}.prompt: '{name}' takes its number of examples by the scores of one "
                f"method, and methods.{users[0]} has it, too; give one of them a prompt of its own"
            )
        found[name] = Prompt(name, entry["template"], examples)
    return found


def _check_encoder(where: str, examples: Examples, encoders: Mapping[str, Any]) -> None:
    """Checks that examples which name an encoder are similar ones, and that there is such an encoder."""
    if examples.choose == "random":
        raise StudyError(
            f"config: {where}: 'encoder' says nothing with 'choose: random', whose examples are drawn; leave it "
            "out, or choose similar ones"
        )
    if not encoders:
        raise StudyError(
            f"config: {where}.encoder: the config has no encoders. Add '{examples.encoder}' to a section 'encoders', "
            "with 'repo' and 'revision', or 'path'; or leave the key out, and words are compared."
        )
    if examples.encoder not in encoders:
        raise unknown_name(f"{where}.encoder", str(examples.encoder), encoders)


def _read_examples(entry: Mapping[str, Any]) -> Examples:
    counts = entry["count"] if isinstance(entry["count"], list) else [entry["count"]]
    return Examples(**{**entry, "count": max(counts), "counts": sorted(counts) if len(counts) > 1 else []})
