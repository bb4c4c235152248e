"""Whether a model is a decoder alone, an encoder with a decoder or an encoder alone, by its config.json.

Needs no torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_json
from codetune.base.libraries import FETCH_AGAIN
from codetune.study.method import TuningSettings
from codetune.study.model import CONFIG, ENCODER, ENCODER_DECODER

ENCODER_DECODERS = ("t5",)  # the types, as in config.json, of which the workflow knows how they are trained and decoded
ENCODERS = ("roberta",)  # the types of encoders behind which it knows how to put a decoder (models/fresh_decoder.py)


def kind_of(config: Mapping[str, Any], where: str | Path) -> str | None:
    """Of which kind a model is, as the key `kind` of the config's `models` has it; None for a decoder alone.

    Args:
        config: Content of its config.json. T5's need not say it.
        where: What the model is called in a message: its folder, or its place in the config.

    Raises:
        StudyError: It is an encoder-decoder of a type that the workflow does not know.
    """
    kind = config.get("model_type")
    if kind in ENCODERS and not config.get("is_decoder"):
        return ENCODER
    if not config.get("is_encoder_decoder", kind in ENCODER_DECODERS):
        return None
    if kind not in ENCODER_DECODERS:
        raise StudyError(
            f"{where}: this encoder-decoder is of the type {kind}, and known are those of the type "
            f"{', '.join(ENCODER_DECODERS)}. Take the model out of the config."
        )
    return ENCODER_DECODER


def read_kind(folder: str | Path) -> str | None:
    """Reads from a checkpoint's config.json of which kind the model is.

    Raises:
        StudyError: The file is damaged, or it is an encoder-decoder of a type that the workflow does not know.
    """
    return kind_of(read_json(Path(folder) / CONFIG, FETCH_AGAIN), folder)


def read_is_apart(folder: str | Path) -> bool:
    """Reads from a checkpoint's config.json whether an encoder reads the input, and a decoder begins anew.

    Raises:
        StudyError: As of `read_kind`.
    """
    return read_kind(folder) is not None


def check_decoder_is_trained(folder: str | Path, tuning: TuningSettings | None) -> None:
    """Checks that nothing is computed with a decoder that is put behind an encoder and stays as it was drawn.

    Args:
        folder: Folder of the checkpoint.
        tuning: What is trained of it; None for nothing.

    Raises:
        StudyError: The checkpoint is an encoder alone, and not all of the model is trained.
    """
    if read_kind(folder) == ENCODER and (tuning is None or tuning.kind != "full"):
        raise StudyError(
            f"{folder}: an encoder alone writes noise until the decoder behind it is trained. Add 'kind: {ENCODER}' to "
            "its entry in the config, and give it runs of methods with 'full: true' alone."
        )
