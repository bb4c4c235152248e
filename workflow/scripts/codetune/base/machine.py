"""The machine and package versions that a job ran with, and the memory and energy that it used."""

import importlib.metadata
import os
import platform
import resource
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets", "tokenizers", "numpy")


@dataclass(frozen=True)
class Environment:
    """The machine that a job ran on, and the versions it ran with.

    Attributes:
        python: Version of Python.
        packages: Version of each installed package of `PACKAGES`.
        platform: Name of the operating system.
        processor: Name of the processor.
        cores: Number of logical cores; None if unknown.
        gpus: Names of the job's GPUs.
    """

    python: str
    packages: dict[str, str]
    platform: str
    processor: str
    cores: int | None
    gpus: list[str]


@dataclass(frozen=True)
class PeakMemory:
    """The most memory that was in use at one time.

    Attributes:
        of: Whose memory: `GPU` or `process`.
        bytes: The peak in bytes; on a GPU of what torch reserved there.
        allocated: On a GPU the peak of what tensors took of that; None for a process, and in files of earlier versions.
    """

    of: str
    bytes: int
    allocated: int | None = None


def environment() -> Environment:
    """Describes the machine and the installed versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        packages=versions,
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count(),
        gpus=_gpu_names(),
    )


def peak_memory() -> PeakMemory:
    """Returns the peaks of torch's memory on the GPU where there is one, else of the process's resident memory."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return PeakMemory("GPU", torch.cuda.max_memory_reserved(), torch.cuda.max_memory_allocated())
    return PeakMemory("process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def memory_in_words() -> str:
    """Says how much memory this process has taken at most so far, in the words of a log: "11.3 GiB of GPU memory"."""
    peak = peak_memory()
    return f"{peak.bytes / 2**30:.1f} GiB of {peak.of} memory"


def gpu_joules() -> float | None:
    """Returns the joules that this job's GPU has used since its driver was loaded; None where NVML has no count."""
    name = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not name or find_spec("pynvml") is None:
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        by_name = name.startswith("GPU-")
        handle = pynvml.nvmlDeviceGetHandleByUUID(name) if by_name else pynvml.nvmlDeviceGetHandleByIndex(int(name))
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except (ValueError, pynvml.NVMLError):
        return None


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpu_names() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the GPU's memory ran out, also where CUDA and its libraries report it themselves.

    torch's own error is known by its name, so that torch need not be imported.
    """
    by_torch = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    signs = ("out of memory", "ALLOC_FAILED")
    return by_torch or (isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs))
