"""The noun Model: a checkpoint that the study fine-tunes or evaluates."""

from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from codetune.base.contents import files_in
from codetune.study.runs import NONE

CONFIG = "config.json"
ENCODER_DECODER, ENCODER = "encoder-decoder", "encoder"  # the kinds of models that are no decoder alone
# Patterns of the files that are taken of a checkpoint: none that can hold code or pickled objects.
TOKENIZER_FILES = (
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
INDEX = "model.safetensors.index.json"
WEIGHT_FILES = ("model*.safetensors", INDEX)
# What an encoder has beside these: the modules that it consists of, and how they are set.
MODULES = "modules.json"
POOLING = "[0-9]_Pooling/config.json"
ENCODER_FILES = (MODULES, "sentence_bert_config.json", "config_sentence_transformers.json", POOLING)


def takes(name: str, weights: bool) -> bool:
    """Whether a file is taken of a checkpoint, with its weights or without."""
    patterns = TOKENIZER_FILES + (WEIGHT_FILES if weights else ())
    return "/" not in name and any(fnmatch(name, pattern) for pattern in patterns)


def takes_of_encoder(name: str) -> bool:
    """Whether a file is taken of an encoder: of a checkpoint with its weights, or of what makes it an encoder."""
    return takes(name, weights=True) or any(fnmatch(name, pattern) for pattern in ENCODER_FILES)


@dataclass(frozen=True)
class Source:
    """Where files come from: a local path, or the hub at a pinned commit.

    Attributes:
        path: Local file or folder; if given, nothing is downloaded.
        repo: Repository of the hub.
        revision: Commit in that repository, 40 hexadecimal digits.
    """

    path: str | None = None
    repo: str | None = None
    revision: str | None = None

    @property
    def name(self) -> str:
        """The path, or else the repository."""
        return self.path or self.repo or "unknown"

    def is_repository(self, repo: str) -> bool:
        """Whether the files come from that repository; false for a local path, which may hold anything."""
        return self.path is None and self.repo == repo

    def files_of_checkpoint(self, weights: bool) -> list[Path]:
        """Returns what is taken of a local checkpoint folder, with its weights or without; nothing of the hub's."""
        return [file for file in files_in(Path(self.path)) if takes(file.name, weights)] if self.path else []

    def files_of_encoder(self) -> list[Path]:
        """Returns what is taken of a local encoder's folder; nothing of the hub's."""
        if self.path is None:
            return []
        folder = Path(self.path)
        return [*(file for file in files_in(folder) if takes_of_encoder(file.name)), *folder.glob(POOLING)]


@dataclass(frozen=True)
class Memory:
    """Settings with which a training fits on one GPU of 24 GB.

    Attributes:
        micro_batch: Training sequences per forward pass. Dropout draws one mask for all of them, so another number
            gives another result; without dropout it differs by rounding alone.
        gradient_checkpointing: Whether activations are recomputed in the backward pass instead of kept.
    """

    micro_batch: int
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class Model:
    """An entry of the config's `models`.

    Attributes:
        name: Its name in the config, in paths and on the command line.
        label: Its name in tables and figures.
        family: Name of its family; models of one family share a colour in figures.
        source: Where the checkpoint comes from.
        parameters: Number of parameters in billions.
        template: Its own template; None for the study's.
        training: Training settings that override the study's, and those with which its training fits on a GPU.
        kind: `encoder-decoder`: an encoder reads the input, and a decoder writes the output; `encoder`: an encoder
            alone, behind which the workflow puts a fresh decoder and trains both; None: a decoder alone.
    """

    name: str
    label: str
    family: str
    source: Source
    parameters: float
    template: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    kind: str | None = None

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether input and output are texts apart, and no text with its continuation."""
        return self.kind in (ENCODER_DECODER, ENCODER)

    @property
    def is_encoder(self) -> bool:
        """Whether the checkpoint has no decoder, so that a fresh one is trained with it."""
        return self.kind == ENCODER


# What stands in the place of a model in runs that have none.
NO_MODEL = Model(NONE, label="Most similar training sample", family="none", source=Source(), parameters=0.0)
