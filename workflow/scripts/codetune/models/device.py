"""The device that a process computes on, and deterministic computation."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from codetune.base.compiler import check_c_compiler
from codetune.base.devices import ONLY_NAMES
from codetune.base.errors import StudyError

MEMORY = Path("/proc/meminfo")


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
    """Returns the device of this process, as torch names it: its one GPU, or the CPU if it was given none.

    Raises:
        StudyError: This process was given a GPU that torch cannot compute on, or lacks a C compiler for its kernels.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if os.environ.get(ONLY_NAMES) or not (given or torch.cuda.is_available()):
        return "cpu"
    _try_gpu(given)
    return "cuda:0"


@cache
def _try_gpu(name: str | None) -> None:
    """Computes something on this process's GPU, once, and sees that kernels can be compiled for it."""
    try:
        torch.zeros(1, device="cuda:0").add(1).item()
    except (RuntimeError, AssertionError) as error:
        if torch.version.cuda is None:
            reason, remedy = "it was built without CUDA", "Install PyPI's torch"
        else:
            reason = f"built for CUDA {torch.version.cuda}: {str(error).splitlines()[0]}"
            remedy = "Update the NVIDIA driver if it is older than that CUDA, see that no other program uses the GPU"
        raise StudyError(
            f"this job was given the GPU {name}, and torch {torch.__version__} cannot compute on it ({reason}). "
            f"{remedy}, or run with '--resources gpu=0' to use the CPU."
        ) from None
    # TRL's loss is a Triton kernel, and on GPUs so is torch's product of positions and frequencies in every model.
    if find_spec("triton"):
        check_c_compiler()


def free_memory() -> int:
    """Returns the bytes of memory that are free on this process's device.

    Of a CPU's, memory in which Linux keeps files that were read counts as free: it is given out when it is needed.
    """
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    with suppress(OSError):
        if found := re.search(r"^MemAvailable: *(\d+) kB$", MEMORY.read_text(), re.MULTILINE):
            return int(found[1]) * 1024
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


def computing_in(dtype: torch.dtype, model: Any) -> torch.autocast:
    """Computes within the block as a training does whose weights are in fp32 and whose compute type is another one.

    Args:
        dtype: The compute type.
        model: A model in that type, for which nothing changes, or with weights in fp32.
    """
    mixed = dtype != torch.float32 and any(one.dtype == torch.float32 for one in model.parameters())
    return torch.autocast(device().partition(":")[0], torch.bfloat16, enabled=mixed)
