"""LoRA adapters: configured, loaded beside frozen weights, and replaced."""

from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers import PreTrainedModel

from codetune.models.device import device

ADAPTER = "adapter_model.safetensors"


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


ADAPTER_FILES = ("adapter_config.json", ADAPTER)


def lora_config(lora: dict[str, Any]) -> LoraConfig:
    """The config's `lora` in PEFT's words."""
    return LoraConfig(
        r=lora["r"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["target_modules"],
        task_type="CAUSAL_LM",
    )


def name_base_model(model: Any, entry: dict[str, Any]) -> None:
    """Writes into the adapter's configuration which checkpoint it belongs to, by its public name and commit."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = entry["path"] if "path" in entry else entry["repo"]
    config.revision = entry.get("revision")
