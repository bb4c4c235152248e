"""Adapters of PEFT beside frozen weights: attached, saved, loaded, and replaced."""

import re
from collections import Counter
from copy import copy
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from peft import PeftType, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from torch.nn import Linear
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from codetune.base.errors import StudyError
from codetune.base.libraries import loading
from codetune.methods.allocation import all_ranks, allocate, load_allocation, save_allocation
from codetune.methods.peft_config import peft_config, refusals_explained
from codetune.methods.penalties import penalty
from codetune.methods.residuals import put_back, removed_parts
from codetune.methods.tokens import show_trained_tokens
from codetune.methods.trained import load_trained, save_trained
from codetune.models.device import device
from codetune.models.loading import load_base, of_the_machine
from codetune.models.roles import layers_type, resolve_roles
from codetune.models.seq2seq import task_of
from codetune.study.method import Quantization, TuningSettings
from codetune.study.model import Source
from codetune.study.targets import check_targets
from codetune.study.tunings import ADAPTERS

ADAPTER = ADAPTERS.weights
# Names of weights that do nothing but multiply.
PRODUCT = re.compile(r"\.lora_[AB]\.")
TRAIN_AGAIN = "Delete that folder and run again; it is then made again."


class AdapterTuning:
    """Parameters that PEFT adds to layers of a frozen model (see methods/tuning.py)."""

    def __init__(self, settings: TuningSettings) -> None:
        self.settings = settings
        self._removed: dict[str, torch.Tensor] = {}

    @property
    def uses_dropout(self) -> bool:
        """Whether a probability of dropout is not 0, or the type draws random numbers in another way."""
        kind = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(self.settings.type)]
        options = {field.name: field.default for field in fields(kind)} | self.settings.peft
        return self.settings.type == "PVERA" or any(options[key] for key in options if key.endswith("dropout"))

    def virtual_tokens(self, _model: Any) -> int:
        """None: nothing stands before a sample."""
        return 0

    def load_base(self, folder: Path, quantization: Quantization, _precision: str) -> Any:
        """Loads the frozen model."""
        return load_base(folder, quantization)

    def attach(self, model: Any, source: Source, steps: int) -> Any:
        """Puts a fresh adapter beside the model."""
        self._source = source
        peft = resolve_roles(self.settings.peft, layers_type(model.config.to_dict()), source.name)
        check_targets(peft, [name for name, _ in model.named_modules()], linear_layers(model), source.name)
        with refusals_explained(peft):
            config = peft_config(peft, total_step=steps, task_type=task_of(model.config))
            adapted = get_peft_model(model, config)
        show_trained_tokens(model)
        if isinstance(adapted.get_output_embeddings(), BaseTunerLayer):
            raise StudyError(
                f"{source.name}: nothing can be put beside the output layer, from whose weights the loss is computed. "
                "Leave it out of target_modules, or train the layer itself (modules_to_save of the method's peft)."
            )
        if self.settings.type == "ADAPTION_PROMPT":  # it keeps the forward that TRL is about to replace
            adapted.base_model.forward = lambda *inputs, **options: model.forward(*inputs, **options)
        self._removed = removed_parts(adapted)
        return adapted

    def after_step(self, model: Any, step: int) -> None:
        """Lets the type share out its ranks anew (AdaLoRA), as PEFT asks of a training loop."""
        if self.settings.type == "ADALORA":
            allocate(model, step)

    def penalty(self, model: Any) -> torch.Tensor | None:
        """What the type adds to the loss of each step, None if it adds nothing."""
        return penalty(model)

    def layers(self, model: Any) -> dict[str, int]:
        """Counts the layers that have an adapter."""
        return adapted_layers(model)

    def save(self, model: Any, folder: Path) -> None:
        """Saves the adapter as PEFT does, with the public name and commit of its checkpoint, without a model card."""
        with all_ranks(model):
            model.save_pretrained(str(folder))
            (folder / "README.md").unlink(missing_ok=True)
            config = copy(model.peft_config["default"])  # whose own names a folder, so that PEFT does not ask the hub
        config.base_model_name_or_path, config.revision = self._source.name, self._source.revision
        config.inference_mode = True
        if self._removed:
            config = put_back(self._removed, folder / ADAPTER, config)
        config.save_pretrained(str(folder))

    def save_state(self, model: Any, folder: Path) -> None:
        """Saves the adapter's parameters as they are, and by what its ranks are shared out."""
        save_trained(model, folder)
        save_allocation(model, folder)

    def load_state(self, model: Any, folder: Path) -> None:
        """Puts all of that back."""
        load_trained(model, folder)
        load_allocation(model, folder)

    def load(self, model: Any, folder: Path) -> Any:
        """Puts a saved adapter beside the frozen weights."""
        return load_adapter(model, folder)

    def swap(self, model: Any, folder: Path) -> Any:
        """Puts another adapter of the same training in its place."""
        return replace_adapter(model, folder)


def load_adapter(model: PreTrainedModel, folder: str | Path) -> Any:
    """Puts a saved adapter beside the frozen weights, unmerged: what was trained is what is evaluated.

    Merging into 4-bit weights would round the update away; merging into the published weights would put the adapter on
    other weights than it was trained on. It computes in the model's type, as it did in training: there, autocast
    rounded its fp32 weights for each multiplication. Matrices that do nothing but multiply are rounded once, here. All
    else is computed under autocast, since some of it is not (magnitudes, rotations, solutions of equations).
    """
    from peft import PeftModel

    with loading(folder, "the adapter", TRAIN_AGAIN, of_the_machine):
        weights = load_file(Path(folder) / ADAPTER)
        adapted = PeftModel.from_pretrained(model, str(folder), torch_device=device()).eval()
    check_weights(adapted, weights, folder)
    if model.dtype == torch.float32:
        return adapted
    if all(PRODUCT.search(name) for name in weights):
        for name, parameter in adapted.named_parameters():
            if PRODUCT.search(name):
                parameter.data = parameter.data.to(model.dtype)
    else:
        adapted.forward = torch.autocast(device(), model.dtype)(adapted.forward)
    return adapted


def replace_adapter(model: Any, folder: str | Path) -> Any:
    """Puts another checkpoint of the same training in the place of the adapter that the model has."""
    from peft import set_peft_model_state_dict

    with loading(folder, "the adapter", TRAIN_AGAIN, of_the_machine):
        weights = load_file(Path(folder) / ADAPTER)
        set_peft_model_state_dict(model, weights)
    check_weights(model, weights, folder)
    return model


def check_weights(model: Any, weights: dict[str, Any], folder: str | Path) -> None:
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


def linear_layers(model: PreTrainedModel) -> Counter[str]:
    """Counts the linear layers of a model by the last part of their names.

    The output layer is left out, and so are names that modules of other kinds have, too: PEFT adapts all of a name.
    """
    modules = [(name.rpartition(".")[2], module) for name, module in model.named_modules()]
    others = {name for name, module in modules if not isinstance(module, Linear | Conv1D)}
    output = model.get_output_embeddings()
    return Counter(name for name, module in modules if name not in others and module is not output)


def adapted_layers(model: Any) -> dict[str, int]:
    """Counts the layers that have an adapter by the last part of their names."""
    layers = [name for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    return dict(Counter(name.rpartition(".")[2] for name in layers))
