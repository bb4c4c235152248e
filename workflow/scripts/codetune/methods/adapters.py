"""LoRA adapters: configured, loaded beside frozen weights, and replaced."""

from collections import Counter
from pathlib import Path
from typing import Any

from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from torch.nn import Linear
from transformers import PreTrainedModel

from codetune.base.errors import StudyError
from codetune.base.libraries import loading
from codetune.models.device import device
from codetune.models.loading import of_the_machine
from codetune.study.method import Lora
from codetune.study.model import Source

ADAPTER = "adapter_model.safetensors"
ADAPTER_FILES = ("adapter_config.json", ADAPTER)
TRAIN_AGAIN = "Delete that folder and run again; it is then made again."


def load_adapter(model: PreTrainedModel, folder: str | Path) -> Any:
    """Puts a saved adapter beside the frozen weights, unmerged: what was trained is what is evaluated.

    Merging into 4-bit weights would round the update away; merging into the published weights would put the adapter on
    other weights than it was trained on. It computes in the model's type, as it did in training: there, autocast
    rounded its fp32 weights for each multiplication.
    """
    from peft import PeftModel

    with loading(folder, "the adapter", TRAIN_AGAIN, of_the_machine):
        weights = load_file(Path(folder) / ADAPTER)
        adapted = PeftModel.from_pretrained(model, str(folder), torch_device=device()).eval()
    _check_weights(adapted, weights, folder)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.to(model.dtype)
    return adapted


def replace_adapter(model: Any, folder: str | Path) -> Any:
    """Puts another checkpoint of the same training in the place of the adapter that the model has."""
    from peft import set_peft_model_state_dict

    with loading(folder, "the adapter", TRAIN_AGAIN, of_the_machine):
        weights = load_file(Path(folder) / ADAPTER)
        set_peft_model_state_dict(model, weights)
    _check_weights(model, weights, folder)
    return model


def _check_weights(model: Any, weights: dict[str, Any], folder: str | Path) -> None:
    """Refuses an adapter whose weights are not the model's: the library leaves what it does not find as it is."""
    from peft import get_peft_model_state_dict

    wanted = {name: tuple(weight.shape) for name, weight in get_peft_model_state_dict(model).items()}
    other = wanted.items() ^ {name: tuple(weight.shape) for name, weight in weights.items()}.items()
    if other or not wanted:
        names = sorted({name for name, _ in other})
        raise StudyError(
            f"{folder}: the adapter's weights are not those of its settings ({len(names)} differ, the first is "
            f"{names[0] if names else 'none'}). {TRAIN_AGAIN}"
        )


def lora_config(lora: Lora) -> LoraConfig:
    """LoRA's settings in PEFT's words."""
    return LoraConfig(
        r=lora.r,
        lora_alpha=int(lora.alpha) if lora.alpha == int(lora.alpha) else lora.alpha,  # an integer in PEFT's own files
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )


def linear_layers(model: PreTrainedModel) -> Counter[str]:
    """Counts the linear layers of a model by the last part of their names.

    The output layer is left out, and so are names that modules of other kinds have, too: PEFT adapts all of a name.
    """
    modules = [(name.rpartition(".")[2], module) for name, module in model.named_modules()]
    others = {name for name, module in modules if not isinstance(module, Linear)}
    output = model.get_output_embeddings()
    return Counter(name for name, module in modules if name not in others and module is not output)


def adapted_layers(model: Any) -> dict[str, int]:
    """Counts the layers that have an adapter by the last part of their names."""
    layers = [name for name, module in model.named_modules() if isinstance(module, LoraLayer)]
    return dict(Counter(name.rpartition(".")[2] for name in layers))


def name_base_model(model: Any, source: Source) -> None:
    """Writes into the adapter's configuration which checkpoint it belongs to, by its public name and commit."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = source.name
    config.revision = source.revision
