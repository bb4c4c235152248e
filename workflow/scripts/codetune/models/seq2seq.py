"""The classes of transformers and PEFT for encoder-decoders, and for all other models."""

from typing import Any

from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, PretrainedConfig

from codetune.models.architecture import kind_of
from codetune.models.fresh_decoder import EncoderWithDecoder


def class_for(config: PretrainedConfig) -> Any:
    """The class that loads a model, or makes one of its configuration.

    Args:
        config: The model's configuration, of an encoder alone with the decoder that is put behind it.

    Raises:
        StudyError: It is that of an encoder-decoder of a type that the workflow does not know.
    """
    if isinstance(config, EncoderWithDecoder.config_class):
        return EncoderWithDecoder
    return AutoModelForSeq2SeqLM if kind_of(config.to_dict(), config.name_or_path) else AutoModelForCausalLM


def task_of(config: PretrainedConfig) -> str:
    """What PEFT calls the task of a model, by which it decides where virtual tokens stand.

    Args:
        config: The model's configuration.
    """
    return "SEQ_2_SEQ_LM" if config.is_encoder_decoder else "CAUSAL_LM"
