"""LoRA adapters: configured, loaded beside frozen weights, and replaced."""

from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers import PreTrainedModel

from codetune.models.device import device
from codetune.study.method import Lora
from codetune.study.model import Source

ADAPTER = "adapter_model.safetensors"
ADAPTER_FILES = ("adapter_config.json", ADAPTER)


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


def lora_config(lora: Lora) -> LoraConfig:
    """LoRA's settings in PEFT's words."""
    return LoraConfig(
        r=lora.r,
        lora_alpha=int(lora.alpha) if lora.alpha == int(lora.alpha) else lora.alpha,  # an integer in PEFT's own files
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )


def name_base_model(model: Any, source: Source) -> None:
    """Writes into the adapter's configuration which checkpoint it belongs to, by its public name and commit."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = source.name
    config.revision = source.revision
