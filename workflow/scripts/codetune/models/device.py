"""The device that a process computes on, and deterministic computation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def set_determinism(seed: int) -> None:
    """Seeds all random generators and makes torch use deterministic kernels, or warn where there is none."""
    from transformers import set_seed

    set_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # torch's deterministic mode fills every new tensor, to expose reads of uninitialised memory. That took 39 % of a
    # training step of the demo's Gemma on a CPU.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False


def device() -> str:
    """Returns the device of this process, as torch names it: its one GPU, or the CPU."""
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def free_memory() -> int:
    """Returns the bytes of memory that are free on this process's device."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Puts a model into evaluation mode for the block, and back into its earlier mode after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
