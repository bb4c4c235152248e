"""Whether a model is a decoder alone or an encoder with a decoder, by its config.json. Needs no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_json
from codetune.base.libraries import FETCH_AGAIN
from codetune.study.model import CONFIG

ENCODER_DECODERS = ("t5",)  # the types, as in config.json, of which the workflow knows how they are trained and decoded


def is_encoder_decoder(config: Mapping[str, Any], where: str | Path) -> bool:
    """Whether a model reads its input by an encoder, and writes its output by a decoder that begins anew.

    Args:
        config: Content of its config.json. T5's need not say it.
        where: What the model is called in a message: its folder, or its place in the config.

    Raises:
        StudyError: It is an encoder-decoder of a type that the workflow does not know.
    """
    kind = config.get("model_type")
    if not config.get("is_encoder_decoder", kind in ENCODER_DECODERS):
        return False
    if kind not in ENCODER_DECODERS:
        raise StudyError(
            f"{where}: this encoder-decoder is of the type {kind}, and known are those of the type "
            f"{', '.join(ENCODER_DECODERS)}. Take the model out of the config."
        )
    return True


def read_is_encoder_decoder(folder: str | Path) -> bool:
    """Reads from a checkpoint's config.json whether the model is an encoder-decoder.

    Raises:
        StudyError: The file is damaged, or it is one of a type that the workflow does not know.
    """
    return is_encoder_decoder(read_json(Path(folder) / CONFIG, FETCH_AGAIN), folder)
