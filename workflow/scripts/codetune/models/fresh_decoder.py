"""A fresh decoder behind an encoder that has none, as CodeXGLUE puts one behind CodeBERT (arXiv 2102.04664).

Its baseline for generation (Code-Text/code-to-text of github.com/microsoft/CodeXGLUE) has six layers with attention to
what the encoder has read, as wide as the encoder's and with as many heads, whose weights are drawn at random. The
decoder embeds its tokens as the encoder does, by the same module, and its output layer is the matrix of that embedding.
Here the layers are RoBERTa's own, so that the two are transformers' EncoderDecoderModel, which it saves and loads.
CodeXGLUE's differ in the width of the feed-forward networks (2048, and ReLU), and its head ends in a tanh.
"""

from pathlib import Path
from typing import Any

from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    PretrainedConfig,
)

from codetune.base.errors import StudyError
from codetune.models.architecture import kind_of
from codetune.study.model import ENCODER

LAYERS = 6  # as CodeXGLUE has it
NEEDED = ("bos_token_id", "eos_token_id", "pad_token_id")  # the first is the one with which the decoder begins
OF_THE_CHECKPOINT = ("architectures", "dtype", "transformers_version")  # what the encoder's says of it alone
# What checkpoints of an encoder have beside it, and no decoder reads: the layer behind the vector of a whole text, and
# the head with which hidden words were guessed.
UNUSED = ("pooler.", "lm_head.")


def with_decoder(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of an encoder with the decoder that is put behind it; any other configuration as it is.

    The decoder has six layers, or as many as the encoder if these are fewer, as in a miniature.

    Args:
        config: The configuration of a checkpoint.

    Raises:
        StudyError: That of an encoder lacks a token.
    """
    name = config.name_or_path
    if kind_of(config.to_dict(), name) != ENCODER:
        return config
    for key in NEEDED:
        if getattr(config, key, None) is None:
            raise StudyError(f"{name}: config.json lacks '{key}', without which no decoder can be trained. Add it.")
    encoder = {key: value for key, value in config.to_dict().items() if key not in OF_THE_CHECKPOINT}
    layers = min(LAYERS, config.num_hidden_layers)
    decoder = encoder | {"is_decoder": True, "add_cross_attention": True, "num_hidden_layers": layers}
    tokens = {key: getattr(config, key) for key in NEEDED}
    both = EncoderDecoderConfig(
        encoder=encoder,
        decoder=decoder,
        decoder_start_token_id=config.bos_token_id,
        **tokens,
    )
    both.name_or_path = name
    return both


class EncoderWithDecoder(EncoderDecoderModel):  # type: ignore[misc]
    """An encoder with its decoder, which embeds tokens by the encoder's own module, and has no pooler.

    Transformers' own class loads what it saves: it draws a pooler that nothing reads, and has the embeddings twice.
    """

    def __init__(self, config: PretrainedConfig, encoder: Any = None, decoder: Any = None) -> None:
        """Makes a model of both, or draws what is not there.

        Args:
            config: By `with_decoder`.
            encoder: The encoder without a pooler.
            decoder: The decoder.
        """
        encoder = encoder or AutoModel.from_config(config.encoder, add_pooling_layer=False)
        decoder = decoder or AutoModelForCausalLM.from_config(config.decoder)
        decoder.base_model.embeddings = encoder.embeddings
        super().__init__(config, encoder, decoder)  # which ties the output layer to the embeddings

    @classmethod
    def from_config(cls, config: PretrainedConfig, **how: Any) -> "EncoderWithDecoder":
        """Draws a model of a configuration, as transformers' classes for all kinds of models do.

        Args:
            config: By `with_decoder`.
            how: `dtype` and the like.
        """
        model: EncoderWithDecoder = cls._from_config(config, **how)
        return model


def load_with_decoder(folder: str | Path, config: PretrainedConfig, **how: Any) -> tuple[Any, dict[str, Any]]:
    """Loads an encoder, and puts a decoder behind it whose weights are drawn from torch's random numbers.

    Args:
        folder: Folder of the encoder's checkpoint.
        config: Of both, by `with_decoder`.
        how: More arguments of `from_pretrained`, with `output_loading_info`, `dtype` and `device_map`.

    Returns:
        The model, and what transformers found in the checkpoint, but for what no decoder reads.
    """
    encoder, found = AutoModel.from_pretrained(folder, config=config.encoder, add_pooling_layer=False, **how)
    decoder = AutoModelForCausalLM.from_config(config.decoder, dtype=how["dtype"])  # on the CPU: GPUs draw others
    config.encoder, config.decoder = encoder.config, decoder.config
    model = EncoderWithDecoder(config, encoder, decoder.to(encoder.device))
    unexpected = [name for name in found["unexpected_keys"] if not _base_name(name).startswith(UNUSED)]
    return model, {**found, "unexpected_keys": unexpected}


def _base_name(name: str) -> str:
    """The name of a weight in the encoder, which a checkpoint of a whole model begins with the encoder's type."""
    return name.removeprefix("roberta.")
