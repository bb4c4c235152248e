"""The context of a checkpoint: how many tokens a text may have. Needs no torch."""

from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.libraries import FETCH_AGAIN, loading
from codetune.models.architecture import ENCODERS
from codetune.models.patches import without_torch


def read_context(folder: str | Path) -> int | None:
    """Reads from a checkpoint's config.json how many tokens a text may have, as `context_of` does.

    Raises:
        StudyError: transformers knows no such model, or config.json is not as it should be.
    """
    with without_torch():
        from transformers import AutoConfig

        with loading(folder, "config.json", FETCH_AGAIN):
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return context_of(config)


def context_of(config: Any) -> int | None:
    """Returns the most tokens of a text of which a model computes each from that text alone.

    These are the positions that the checkpoint declares. Of a longrope, whose frequencies change for all texts of a
    batch as soon as one of them passes the length of pre-training, they are those of pre-training. A dynamic rope
    changes its frequencies only beyond the declared positions, and all others never do.

    Args:
        config: A model's configuration, as transformers has it.

    Returns:
        The number of tokens, prompt and completion together, of an encoder-decoder of each; None where the model sets
        no limit.

    Raises:
        StudyError: What is declared is no such number.
    """
    text = config.get_text_config(decoder=True)
    declared = [_positions(text), getattr(text, "max_seq_len", None)]  # MPT's name
    ropes = getattr(text, "rope_parameters", None) or {}
    for rope in [ropes, *ropes.values()]:  # one, or one for each type of layer
        if isinstance(rope, dict) and rope.get("rope_type") == "longrope":
            declared.append(rope.get("original_max_position_embeddings"))
    lengths = [length for length in declared if length is not None]
    for length in lengths:
        if type(length) is not int or length < 1:
            raise StudyError(f"{config.name_or_path}: config.json declares {length!r:.50} positions. {FETCH_AGAIN}")
    return min(lengths, default=None)


def _positions(config: Any) -> Any:
    """The positions that a configuration declares, but for those of a RoBERTa up to that of its padding token."""
    positions = getattr(config, "max_position_embeddings", None)
    if config.model_type in ENCODERS and type(positions) is int and config.pad_token_id is not None:
        return positions - config.pad_token_id - 1
    return positions
