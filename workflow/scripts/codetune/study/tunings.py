"""What implements each kind of tuning, by name: a run depends on the module of its own method alone."""

from typing import NamedTuple

from codetune.study.method import TuningSettings

# PEFT's types that train tokens which no text has, in front of each sample.
SOFT_PROMPTS = frozenset({"PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CARTRIDGE"})


class Implementation(NamedTuple):
    """Where a tuning is implemented.

    Attributes:
        module: Module of codetune.methods.
        name: Name of the class in it.
        weights: Name of the file that holds the trained weights.
    """

    module: str
    name: str
    weights: str


ADAPTERS = Implementation("codetune.methods.adapters", "AdapterTuning", "adapter_model.safetensors")
SOFT = Implementation("codetune.methods.soft_prompts", "SoftPromptTuning", "adapter_model.safetensors")
FULL = Implementation("codetune.methods.full", "FullTuning", "model.safetensors")


def implementation_of(settings: TuningSettings) -> Implementation:
    """Returns what implements a tuning."""
    if settings.kind == "full":
        return FULL
    return SOFT if settings.type in SOFT_PROMPTS else ADAPTERS


def virtual_tokens_of(settings: TuningSettings) -> int:
    """Counts the trained tokens in front of each sample; 0 for what is no soft prompt."""
    return int(settings.peft["num_virtual_tokens"]) if settings.type in SOFT_PROMPTS else 0
