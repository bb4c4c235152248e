"""Loading of base models from their checkpoints."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from codetune.base.errors import StudyError
from codetune.base.libraries import FETCH_AGAIN, loading
from codetune.models.device import device
from codetune.models.quantization import is_linear_4bit, keep_weights_unpacked
from codetune.study.method import Quantization


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
        """The model in 4 bits."""
        return load_base(self.folder, self.quantization)


def load_base(folder: str | Path, quantization: Quantization) -> PreTrainedModel:
    """Loads a checkpoint with its linear layers quantised to 4 bits (QLoRA; the paper's section 3.3.3).

    Embeddings, norms and the output layer stay in the compute type. transformers chooses the attention: sdpa, or eager
    for models with soft-capped scores (Gemma 2).

    Args:
        folder: Checkpoint folder; only safetensors and no code of its own are loaded from it.
        quantization: Of the linear layers.

    Returns:
        The frozen model, in evaluation mode, on this process's device.

    Raises:
        StudyError: The checkpoint cannot be loaded, or does not fit into the GPU's memory.
    """
    dtype = getattr(torch, quantization.compute_dtype)
    recipe = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization.type,
        bnb_4bit_use_double_quant=quantization.double,
        bnb_4bit_compute_dtype=dtype,
    )
    try:
        with loading(folder, "the checkpoint", FETCH_AGAIN, of_the_machine):
            model, found = AutoModelForCausalLM.from_pretrained(
                folder,
                config=AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False),
                quantization_config=recipe,
                dtype=dtype,
                device_map={"": device()},
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except torch.OutOfMemoryError as error:
        problem = str(error).split(". ")[0]
        raise StudyError(
            f"{folder}: the model does not fit into the GPU's memory ({problem}). Is another program using that GPU?"
        ) from None
    _check_weights(folder, found | {"mismatched_keys": _of_another_shape(model)})
    keep_weights_unpacked(model)
    return model.eval()


def of_the_machine(error: Exception) -> bool:
    """Whether an error of loading says nothing about the files: memory ran out, or the GPU failed."""
    known = isinstance(error, (torch.OutOfMemoryError, torch.AcceleratorError))
    return known or any(sign in str(error) for sign in ("DefaultCPUAllocator", "CUDA error", "CUDA driver"))


def _of_another_shape(model: PreTrainedModel) -> list[str]:
    """The layers whose 4-bit weights have another shape than the layer: the library compares the others alone."""
    found = []
    for name, module in model.named_modules():
        if is_linear_4bit(module):
            state = getattr(module.weight, "quant_state", None)  # none where the weight is missing
            if state is None or tuple(state.shape) != (module.out_features, module.in_features):
                found.append(name)
    return found


def _check_weights(folder: str | Path, found: dict[str, Any]) -> None:
    """Refuses weights that are not those of the model: the library draws at random what it does not find."""
    for kind, meaning in (
        ("missing_keys", "lack"),
        ("mismatched_keys", "have in another shape"),
        ("unexpected_keys", "have, without a place in the model,"),
    ):
        names = sorted(map(str, found.get(kind) or []))
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise StudyError(
                f"{folder}: the weights do not belong to config.json: they {meaning} {names[0]}{more}. {FETCH_AGAIN}"
            )
