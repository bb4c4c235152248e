"""The device that a process computes on, and its determinism."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


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


def free_memory() -> int:
    """Bytes that are free on this process's device."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
