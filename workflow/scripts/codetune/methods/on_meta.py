"""PEFT's adapters on models without weights, for all that follows from shapes alone.

On torch's meta device tensors have a shape and a type, but no numbers and no memory. PEFT itself puts the adapter on
the model, so whatever it decides about shapes, types and what is trained is decided here as well. Some types work out
numbers from the weights on the way; where that does not matter for the shapes, it is left out.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from peft import PeftConfig, get_peft_model
from peft.tuners import adamss, frod, unilora
from peft.tuners._buffer_dict import BufferDict
from torch import nn

# Ways to begin that read the weights, a tokenizer or a file. What is trained is the same without them. LoRA's `mica` is
# not among them, since it trains B alone.
READ_WEIGHTS = ("pissa", "olora", "corda", "eva", "loftq", "lora_ga")


def attach_on_meta(model: Any, config: PeftConfig) -> Any:
    """Puts an adapter on a model on the meta device, as `get_peft_model` does on one with weights.

    Args:
        model: From `from_config`, on the meta device.
        config: PEFT's configuration; it is not changed.

    Returns:
        PEFT's model, all of it on the meta device.
    """
    # BOFT asks for numbers of its own tables, which are on the meta device, too, where that is the default.
    outside = config.peft_type == "BOFT"
    with ExitStack() as stack:
        if not outside:
            stack.enter_context(torch.device("meta"))
        stack.enter_context(_without_numbers())
        return get_peft_model(model, _begun_without_weights(config), low_cpu_mem_usage=outside)


def _begun_without_weights(config: PeftConfig) -> PeftConfig:
    """A copy of the configuration, with a start that needs nothing but shapes."""
    config = copy(config)
    start = getattr(config, "init_lora_weights", None)
    if isinstance(start, str) and start.startswith(READ_WEIGHTS):
        config.init_lora_weights = True
    if hasattr(config, "prompt_tuning_init"):
        config.prompt_tuning_init = "RANDOM"
    if hasattr(config, "mask_fn"):  # SHiRA: without a mask its weights are there, but no places for them
        config.mask_fn = None
    return config


@contextmanager
def _without_numbers() -> Iterator[None]:
    """Leaves out what types work out from weights, and gives the results' shapes instead."""
    with (
        mock.patch.object(frod.FrodModel, "_init_frod_projections", _frod_projections),
        mock.patch.object(frod.layer.FrodLayer, "_calculate_frod_u_and_lambda", _frod_factors),
        mock.patch.object(unilora.UniLoraModel, "_assign_unilora_indices_and_scales", _unilora_scales),
        mock.patch.object(adamss.layer, "clustering_Z", _even_clusters),
    ):
        yield


@contextmanager
def with_scikit_learn() -> Iterator[None]:
    """Lets AdaMSS, which clusters weights with scikit-learn and only looks whether it is there, do without it."""
    missing = find_spec("sklearn") is None
    if missing:
        sys.modules["sklearn"] = ModuleType("sklearn")
    try:
        yield
    finally:
        if missing:
            del sys.modules["sklearn"]


def _frod_projections(tuner: Any, config: Any, adapter: str) -> None:
    """One square matrix for all layers of a kind, and the places of a sparse one."""
    if not hasattr(tuner, "frod_V"):
        tuner.frod_V, tuner.frod_s_indices, tuner.frod_s_size = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
    for key, module in tuner.model.named_modules():
        kind = frod.model._category_from_key(key)
        if kind in tuner.frod_V or not tuner._check_target_module_exists(config, key):
            continue
        inputs = module.in_features if isinstance(module, nn.Linear) else module.weight.shape[0]
        places = min(int(inputs * inputs * config.sparse_rate), inputs * inputs - inputs)
        if config.sparse_rate > 0 and inputs > 1:
            places = max(1, places)
        nothing = torch.zeros((), dtype=module.weight.dtype, device="cpu")
        for name, tensor in (
            ("frod_V", nothing.expand(inputs, inputs)),
            ("frod_s_indices", nothing.long().expand(2, places)),
            ("frod_s_size", torch.tensor([inputs, inputs], device="cpu")),
        ):
            getattr(tuner, name)[kind] = BufferDict({adapter: tensor}, persistent=config.save_projection)


def _frod_factors(_layer: Any, _projection: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """U and the diagonal of a weight."""
    nothing = torch.zeros((), device="cpu")
    return nothing.expand(weight.shape), nothing.expand(weight.shape[1])


def _unilora_scales(tuner: Any, adapter: str) -> None:
    """A scale for each number of A and B, instead of how often each number of the shared vector stands for one."""
    for layer in tuner._iter_unilora_layers():
        places = (layer.unilora_indices_A[adapter], layer.unilora_indices_B[adapter])
        layer.update_scaling(adapter, *(torch.empty(x.shape, device="meta") for x in places))


def _even_clusters(rows: torch.Tensor, wanted: int, _most: int) -> tuple[torch.Tensor, int]:
    """As many clusters of rows, all of one size: how large each is changes what is trained only below its rank."""
    count = min(wanted, rows.shape[0])
    return torch.arange(rows.shape[0], device="cpu") % count, count
