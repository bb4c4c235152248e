"""Checks of a model as it was loaded: its weights are the checkpoint's, all of them, and finite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from codetune.base.errors import StudyError
from codetune.base.libraries import FETCH_AGAIN
from codetune.models.int8 import is_linear_8bit
from codetune.models.quantization import is_linear_4bit


def check_loaded_weights(model: PreTrainedModel, found: dict[str, Any], folder: str | Path) -> None:
    """Refuses a model that is not what its checkpoint says.

    What no weight shows cannot be noticed: another epsilon of the norms, another base of the rotary positions, another
    activation, or heads that were divided differently in matrices of the same shape.

    Args:
        model: The model, before anything was computed with it.
        found: What transformers found, in its words: `missing_keys`, `unexpected_keys`.
        folder: Of the checkpoint.

    Raises:
        StudyError: config.json names another architecture than its type has, weights are missing, unexpected or of
            another shape, tied weights differ, or weights are not finite.
    """
    _check_architecture(model, folder)
    _check_names(folder, found | {"mismatched_keys": _of_another_shape(model)})
    _check_tied(model, folder)
    _check_finite(model, folder)


def _check_architecture(model: PreTrainedModel, folder: str | Path) -> None:
    """The weights of Llama and the first Gemma have the same names and shapes, and compute other things."""
    named, loaded = model.config.architectures or [], type(model).__name__
    classes = (MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)
    known = [name for name in named if any(name in names.values() for names in classes)]
    if known and loaded not in named:
        raise StudyError(
            f"{folder}: config.json names the architecture {known[0]}, but its model_type, {model.config.model_type}, "
            f"is that of {loaded}. {FETCH_AGAIN}"
        )


def _of_another_shape(model: PreTrainedModel) -> list[str]:
    """The layers whose quantised weights have another shape than the layer: the library compares the others alone."""
    found = []
    for name, module in model.named_modules():
        if is_linear_8bit(module) and module.weight.shape != (module.out_features, module.in_features):
            found.append(name)
        if is_linear_4bit(module):
            state = getattr(module.weight, "quant_state", None)  # none where the weight is missing
            if state is None or tuple(state.shape) != (module.out_features, module.in_features):
                found.append(name)
    return found


def _check_names(folder: str | Path, found: dict[str, Any]) -> None:
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


def _check_tied(model: PreTrainedModel, folder: str | Path) -> None:
    """Refuses weights that config.json ties and the checkpoint has twice, with other values: which are meant?"""
    for name, other in model.get_expanded_tied_weights_keys(all_submodels=True).items():
        if model.get_parameter(name) is not model.get_parameter(other):
            raise StudyError(
                f"{folder}: config.json says that {name} is {other} (tie_word_embeddings), but the weights of the two "
                f"differ. Correct config.json if the weights are right, or remove {name} from them."
            )


def _check_finite(model: PreTrainedModel, folder: str | Path) -> None:
    wrong = list(dict.fromkeys(name for name, values in _numbers(model) if not _is_finite(values)))
    if wrong:
        which = f"{wrong[0]} and {len(wrong) - 1} more have" if len(wrong) > 1 else f"{wrong[0]} has"
        raise StudyError(f"{folder}: {which} values that are not finite. {FETCH_AGAIN}")


def _numbers(model: PreTrainedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """All numbers that a model computes with: of quantised weights the constants, by which each code is multiplied."""
    yield from model.named_parameters()
    yield from model.named_buffers()
    for name, module in model.named_modules():
        if is_linear_4bit(module):
            state = module.weight.quant_state
            constants = [state.absmax] if state.state2 is None else [state.offset, state.state2.absmax]
            yield from ((f"{name}.weight", values) for values in constants)
        elif is_linear_8bit(module):
            yield f"{name}.weight", module.weight.SCB


def _is_finite(values: torch.Tensor) -> bool:
    if not (values.is_floating_point() and values.numel()):
        return True
    return all(bool(bound.isfinite()) for bound in torch.aminmax(values))  # makes no tensor of the same size
