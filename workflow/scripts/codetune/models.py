"""Checkpoints in 4 bits, with and without an adapter."""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from codetune.errors import StudyError

ADAPTER = "adapter_model.safetensors"


def set_determinism(seed: int) -> None:
    """Seeds all generators and asks torch for deterministic kernels."""
    from transformers import set_seed

    set_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling every new tensor, which the deterministic mode does to expose reads of unset memory, took 39 % of a
    # training step of the demo's Gemma on a CPU.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False


def device() -> str:
    """Where this process computes: the one GPU it was given, or the CPU."""
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def load_base(folder: str | Path, quantization: dict[str, Any]) -> PreTrainedModel:
    """Loads a checkpoint with its linear layers quantised to 4 bits (QLoRA; the paper's section 3.3.3).

    Embeddings, norms and the output layer stay in the compute type. transformers chooses the attention: sdpa, or eager
    for models whose scores are capped (Gemma-2).

    Args:
        folder: Checkpoint folder; only safetensors and no code of its own are loaded from it.
        quantization: The config's `quantization`.

    Returns:
        The frozen model, in evaluation mode, on this process's device.

    Raises:
        StudyError: The checkpoint cannot be loaded.
    """
    dtype = getattr(torch, quantization["compute_dtype"])
    recipe = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantization["type"],
        bnb_4bit_use_double_quant=quantization["double"],
        bnb_4bit_compute_dtype=dtype,
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            config=AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False),
            quantization_config=recipe,
            dtype=dtype,
            device_map={"": device()},
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError) as error:
        raise StudyError(f"{folder}: the checkpoint cannot be loaded ({str(error).splitlines()[0]})") from error
    except torch.OutOfMemoryError as error:
        problem = str(error).split(". ")[0]
        raise StudyError(
            f"{folder}: the model does not fit into the GPU's memory ({problem}). Is another program using that GPU?"
        ) from None
    keep_weights_unpacked(model)
    return model.eval()


def dequantize(model: PreTrainedModel, reserve: int) -> bool:
    """Turns the 4-bit weights into the same numbers in the compute type, if that leaves memory enough.

    Every multiplication with a 4-bit weight makes these numbers anew, which for one token a sequence takes longer than
    the multiplication. So this changes no result beyond the rounding of another kernel.

    Args:
        model: As loaded, without an adapter.
        reserve: Bytes of the device's memory to be left.

    Returns:
        Whether it was done.
    """
    weights = sum(module.in_features * module.out_features for module in linear_4bit(model))
    if weights * model.dtype.itemsize > free_memory() - reserve:
        return False
    model.dequantize()
    return True


def linear_4bit(model: torch.nn.Module) -> list[Any]:
    """The layers whose weights are in 4 bits."""
    from bitsandbytes.nn import Linear4bit

    return [module for module in model.modules() if isinstance(module, Linear4bit)]


def free_memory() -> int:
    """Bytes that are free on this process's device."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def keep_weights_unpacked(model: torch.nn.Module) -> None:
    """Stops bitsandbytes from repacking 4-bit weights for inference on CPUs with AVX512-BF16.

    Its first forward pass in evaluation mode repacks the weight, and later training steps would back-propagate through
    the repacked one: the gradients are wrong from then on (bitsandbytes 0.50.2). Without it the results do not depend
    on the CPU's instruction set either.
    """
    for module in linear_4bit(model):
        module.support_avx512bf16_for_cpu = False


def load_adapter(model: PreTrainedModel, folder: str | Path) -> Any:
    """Puts a saved adapter beside the frozen weights, unmerged: what was trained is what is evaluated.

    Merging into 4-bit weights would round the update away; merging into the published weights would put the adapter on
    other weights than it was trained on. It computes in the model's type, as it did in training: there, autocast
    rounded its fp32 weights for each multiplication.
    """
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, str(folder), torch_device=device()).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.to(model.dtype)
    return adapted


def replace_adapter(model: Any, folder: str | Path) -> Any:
    """Puts another checkpoint of the same training in the place of the adapter that the model has."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    set_peft_model_state_dict(model, load_file(Path(folder) / ADAPTER))
    return model
