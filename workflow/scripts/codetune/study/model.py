"""The noun Model: a checkpoint that the study tunes or evaluates."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where files come from: a local path, or the hub at a pinned commit.

    Attributes:
        path: Local file or folder; it goes before the hub.
        repo: Repository of the hub.
        revision: Its commit, 40 hexadecimal digits.
    """

    path: str | None = None
    repo: str | None = None
    revision: str | None = None

    @property
    def name(self) -> str:
        """The path, or else the repository."""
        return self.path or self.repo or "unknown"

    def is_repository(self, repo: str) -> bool:
        """Whether the files are fetched from that repository; a local path may hold anything."""
        return self.path is None and self.repo == repo


@dataclass(frozen=True)
class Memory:
    """What of a training fits on one GPU of 24 GB.

    Attributes:
        micro_batch: Packed sequences that are computed at once.
        gradient_checkpointing: Whether activations are computed again in the backward pass instead of kept.
    """

    micro_batch: int
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class Model:
    """An entry of the config's `models`.

    Attributes:
        name: Its name in the config, in paths and on the command line.
        label: Its name in tables and figures.
        family: Models of one family share a colour.
        source: Where the checkpoint comes from.
        parameters: In billions.
        template: Its own template; None for the study's.
        memory: What fits on a GPU; None for a model that is not tuned.
        training: Training settings that differ from the study's.
    """

    name: str
    label: str
    family: str
    source: Source
    parameters: float
    template: str | None
    memory: Memory | None
    training: dict[str, Any] = field(default_factory=dict)
