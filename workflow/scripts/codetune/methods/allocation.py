"""AdaLoRA's sharing out of ranks: what a resumed training needs of it, and what is saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

ALLOCATION = "allocation.safetensors"
SCORES = ("ipt", "exp_avg_ipt", "exp_avg_unc")  # PEFT's names of how important each weight was so far
PATTERN = "rank_pattern"


def allocate(model: Any, step: int) -> None:
    """Shares out the ranks anew, if that is due.

    Of a number among others, torch has no kernel for GPUs that is deterministic in which of equal ones it names. PEFT
    only takes the value.

    Args:
        model: A model of PEFT, with the gradients of the step.
        step: Optimizer steps done.
    """
    demanded, warned = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(False)
    try:
        model.base_model.update_and_allocate(step)
    finally:
        torch.use_deterministic_algorithms(demanded, warn_only=warned)


def save_allocation(model: Any, folder: Path) -> None:
    """Writes by what ranks are shared out, if they are.

    Args:
        model: A model of PEFT.
        folder: An existing folder.
    """
    if (allocator := _allocator(model)) is None:
        return
    found = {f"{part}/{name}": one for part in SCORES for name, one in getattr(allocator, part).items()}
    pattern = model.peft_config["default"].rank_pattern or {}
    save_file(found | {f"{PATTERN}/{name}": torch.tensor(kept) for name, kept in pattern.items()}, folder / ALLOCATION)


def load_allocation(model: Any, folder: Path) -> None:
    """Puts back what `save_allocation` wrote."""
    if (allocator := _allocator(model)) is None:
        return
    found: dict[str, dict[str, Any]] = {part: {} for part in (*SCORES, PATTERN)}
    for name, one in load_file(folder / ALLOCATION, device=str(model.device)).items():
        part, _, parameter = name.partition("/")
        found[part][parameter] = one
    for part in SCORES:
        setattr(allocator, part, found[part])
    pattern = {name: kept.tolist() for name, kept in found[PATTERN].items()}
    model.peft_config["default"].rank_pattern = pattern or None


@contextmanager
def all_ranks(model: Any) -> Iterator[None]:
    """Lets PEFT save all ranks within the block, those that were taken away with their zeros.

    Between two allocations ranks grow again that PEFT would leave out, so that another model would be saved than the
    one that was validated.
    """
    config = model.peft_config["default"]
    if _allocator(model) is None:
        yield
        return
    pattern, config.rank_pattern = config.rank_pattern, None
    try:
        yield
    finally:
        config.rank_pattern = pattern


def _allocator(model: Any) -> Any:
    """What shares out ranks; None in models of other types."""
    return getattr(model.base_model, "rankallocator", None)
