"""The trained parameters of a model, as the state of a training holds them."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

TRAINED = "trained.safetensors"


def trained_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """The parameters that training changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def save_trained(model: Any, folder: Path) -> None:
    """Writes the trained parameters as they are, in the precision of the training."""
    save_file({name: one.detach().contiguous() for name, one in trained_parameters(model).items()}, folder / TRAINED)


def load_trained(model: Any, folder: Path) -> None:
    """Puts the trained parameters back to what `save_trained` wrote."""
    saved = load_file(folder / TRAINED)
    with torch.no_grad():
        for name, parameter in trained_parameters(model).items():
            parameter.copy_(saved[name])
