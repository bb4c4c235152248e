"""Part 1: the machine and its driver, and whether bitsandbytes computes on the GPU what it does on a CPU."""

import subprocess
from collections.abc import Iterator

import torch
from gpu.findings import Finding, Look, tried
from gpu.fourbit import check_4_bits
from gpu.int8 import check_8_bits

# isort: split

from codetune.base.compiler import check_c_compiler
from codetune.base.errors import StudyError

TORCH = (2, 11)
CAPABILITY = (8, 0)  # of the first GPUs that multiply bf16
LEAST_GB = 23.0  # that a card of 24 GB has, error correction taken off
OTHERS_GB = 1.5  # most that is in use before the check begins: this process's own context takes half of it


def check(small: bool) -> Iterator[Finding]:
    """Looks at the machine, then at what bitsandbytes computes."""
    if small:
        yield Finding("GPU", "24 GB or more", "none is looked at", ok=None)
    else:
        yield from _check_gpu()
    yield tried("products in fp32", "exact: no TF32", _fp32_products)
    yield from check_4_bits(small)
    yield from check_8_bits(small)


def _check_gpu() -> Iterator[Finding]:
    yield tried("driver", "reported", _driver)
    yield tried("torch", "2.11 or later, for CUDA", _torch)
    yield tried("capability", "8.0 or higher, with bf16", _capability)
    yield tried("memory", f"{LEAST_GB:.0f} GB or more", _memory)
    yield tried("memory in use before", f"less than {OTHERS_GB} GB", _used)
    yield tried("C compiler", "compiles what Triton needs", _compiler)
    yield tried("a Triton kernel", "is compiled and right", _triton)


def _driver() -> Look:
    asked = ["nvidia-smi", "--query-gpu=driver_version,compute_mode,mig.mode.current", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi does not say ({type(error).__name__})", None
    return said.split("\n")[0] or "nvidia-smi does not say", None


def _torch() -> Look:
    numbers = tuple(int(number) for number in torch.__version__.split("+")[0].split(".")[:2])
    return f"{torch.__version__}, CUDA {torch.version.cuda}", numbers >= TORCH and torch.version.cuda is not None


def _capability() -> Look:
    found = torch.cuda.get_device_capability(0)
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return f"{found[0]}.{found[1]}, {'with' if bf16 else 'without'} bf16", found >= CAPABILITY and bf16


def _memory() -> Look:
    whole = torch.cuda.get_device_properties(0).total_memory / 1e9
    return f"{whole:.1f} GB", whole >= LEAST_GB


def _used() -> Look:
    free, whole = torch.cuda.mem_get_info(0)
    return f"{(whole - free) / 1e9:.1f} GB", whole - free < OTHERS_GB * 1e9


def _compiler() -> Look:
    try:
        check_c_compiler()
    except StudyError as error:
        return str(error), False
    return "it does", True


def _triton() -> Look:
    from gpu.kernel import doubled

    numbers = torch.arange(1000, device="cuda:0", dtype=torch.float32)
    return ("right", True) if torch.equal(doubled(numbers), 2 * numbers) else ("other numbers", False)


def _fp32_products() -> Look:
    precision = torch.get_float32_matmul_precision()
    tf32 = torch.backends.cuda.matmul.allow_tf32
    return f"precision '{precision}', TF32 {'on' if tf32 else 'off'}", precision == "highest" and not tf32
