"""The noun Prompt: how a sample is put to a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """An entry of the config's `prompts`.

    Attributes:
        name: Its name in the config.
        template: Name of the template, `paper` or `chat`.
    """

    name: str
    template: str
