"""Loading of base models from their checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, BitsAndBytesConfig, PretrainedConfig, PreTrainedModel

from codetune.base.errors import StudyError
from codetune.base.libraries import FETCH_AGAIN, loading
from codetune.models.architecture import read_kind
from codetune.models.device import device
from codetune.models.fresh_decoder import load_with_decoder, with_decoder
from codetune.models.int8 import multiply_by_token
from codetune.models.quantization import dequantize_by_blocks_if_needed, keep_weights_unpacked
from codetune.models.seq2seq import class_for
from codetune.models.weights import check_loaded_weights
from codetune.study.method import UNQUANTISED, Quantization
from codetune.study.model import ENCODER


@dataclass(frozen=True)
class Checkpoint:
    """A base model: its checkpoint, and how it is loaded.

    Attributes:
        folder: Folder of the checkpoint.
        quantization: Of its weights.
    """

    folder: Path
    quantization: Quantization

    def load(self) -> Any:
        """The frozen model."""
        return load_base(self.folder, self.quantization)


def load_base(folder: str | Path, quantization: Quantization, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """Loads a checkpoint with its linear layers held as a method says (QLoRA: the paper's section 3.3.3).

    An encoder alone gets a decoder behind it, which is drawn from torch's random numbers (models/fresh_decoder.py).
    Embeddings, norms and the output layer are in the compute type in any case. transformers chooses the attention:
    sdpa, or eager for models with soft-capped scores (Gemma 2).

    Args:
        folder: Checkpoint folder; only safetensors and no code of its own are loaded from it.
        quantization: Of the linear layers.
        dtype: Type of all other weights; None for the compute type.

    Returns:
        The frozen model, in evaluation mode, on this process's device.

    Raises:
        StudyError: The checkpoint cannot be loaded, is quantised already, is not what its config.json says, has
            weights that are not finite, or does not fit into the GPU's memory.
    """
    dtype = dtype or getattr(torch, quantization.compute_dtype)
    try:
        with loading(folder, "the checkpoint", FETCH_AGAIN, of_the_machine), _shapes_explained(folder):
            config, recipe = read_config(folder), _recipe(quantization)
            how = {"dtype": dtype, "device_map": {"": device()}, "use_safetensors": True, "output_loading_info": True}
            how |= {"local_files_only": True, "trust_remote_code": False}
            if read_kind(folder) == ENCODER:
                model, found = load_with_decoder(folder, config, **how)
            else:
                loader = class_for(config)
                model, found = loader.from_pretrained(folder, config=config, quantization_config=recipe, **how)
    except torch.OutOfMemoryError as error:
        problem = str(error).split(". ")[0]
        raise StudyError(
            f"{folder}: the model does not fit into the GPU's memory ({problem}). Is another program using that GPU?"
        ) from None
    check_loaded_weights(model, found, folder)
    keep_weights_unpacked(model)
    dequantize_by_blocks_if_needed(model)
    multiply_by_token(model)
    return model.eval()


def _recipe(quantization: Quantization) -> BitsAndBytesConfig | None:
    """The quantisation in the library's words; None for weights in the compute type."""
    if quantization.type == UNQUANTISED:
        return None
    if quantization.type == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization.type,
        bnb_4bit_use_double_quant=quantization.double,
        bnb_4bit_compute_dtype=getattr(torch, quantization.compute_dtype),
    )


@contextmanager
def _shapes_explained(folder: str | Path) -> Iterator[None]:
    """Explains the library's refusal of weights of another shape, which speaks of an option that nobody has set.

    To let it pass and name the weights would take as much memory as config.json says.
    """
    try:
        yield
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise StudyError(
            f"{folder}: the weights do not belong to config.json: some have another shape, as listed in the log. "
            f"{FETCH_AGAIN}"
        ) from None


def read_config(folder: str | Path) -> PretrainedConfig:
    """Reads a checkpoint's config.json, which must not say that the weights are quantised, and how a decoder begins.

    Such weights would be loaded as they are, whatever the method's quantisation is. A padding token outside the
    embedding is forgotten: nothing that is computed depends on it, but no embedding can be made with it. Of an encoder
    alone it is the configuration of both, the encoder and the decoder that is put behind it.
    """
    config = with_decoder(AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
    text = config.get_text_config()
    if any(getattr(part, "quantization_config", None) is not None for part in (config, text)):
        raise StudyError(
            f"{folder}: the weights are quantised already, and how they are held is for each method to say "
            "('quantization'). Name the checkpoint with the original weights in the config."
        )
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        raise StudyError(
            f"{folder}: config.json lacks 'decoder_start_token_id', the token with which the decoder begins. Add it."
        )
    pad = getattr(text, "pad_token_id", None)
    if pad is not None and not 0 <= pad < text.vocab_size:
        text.pad_token_id = None
    return config


def of_the_machine(error: Exception) -> bool:
    """Whether an error of loading says nothing about the files: memory ran out, or the GPU failed."""
    known = isinstance(error, (torch.OutOfMemoryError, torch.AcceleratorError))
    return known or any(sign in str(error) for sign in ("DefaultCPUAllocator", "CUDA error", "CUDA driver"))
