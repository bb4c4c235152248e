"""A job that computes on a CPU: it keeps freed memory, and says how fast the CPU is in the config's number format."""

import ctypes
import time
from collections.abc import Callable

import torch

from codetune.models.device import device

# Of glibc's mallopt: how many blocks are mapped one by one (M_MMAP_MAX), how many free bytes at the heap's end go back
# to the kernel (M_TRIM_THRESHOLD), and by how many bytes the heap grows at a time (M_TOP_PAD).
KEEP_FREED = {-4: 0, -1: 2**31 - 1, -2: 2**28}
SIZES = (64, 128, 256, 512, 1024)  # of the square matrices that are multiplied
ENOUGH = 0.02  # seconds of a multiplication from which on no larger one is tried: some CPUs have 1 GFLOP/s in bfloat16
MUCH_SLOWER = 2.0  # than the other number format
OTHER = {"bfloat16": "float32", "float32": "bfloat16"}


def prepare_cpu(compute_dtype: str) -> float | None:
    """Prepares a process for computing, if it does so on a CPU, and prints how fast that is.

    CPUs differ: one without a unit for bfloat16 was 170 times slower in it than in float32, one with it four times as
    fast. The config decides all the same: results in the two formats differ by rounding. No random number is drawn.

    Args:
        compute_dtype: Type in which the config has matrices multiplied: bfloat16 or float32.

    Returns:
        Floating-point operations per second in that type; None on a GPU.
    """
    if device() != "cpu":
        return None
    keep_freed_memory()
    rates = {name: matmul_rate(getattr(torch, name)) for name in (compute_dtype, OTHER[compute_dtype])}
    for line in _lines(compute_dtype, rates):
        print(line, flush=True)
    return rates[compute_dtype]


def keep_freed_memory() -> None:
    """Lets glibc keep what is freed in this process and give it out again; without glibc nothing happens.

    By default each large tensor is mapped anew, and the kernel clears its pages one by one when they are first touched:
    up to a third of a training step. What is computed is the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # musl, macOS, Windows
        return
    for setting, value in KEEP_FREED.items():
        mallopt(setting, value)


def matmul_rate(dtype: torch.dtype, clock: Callable[[], float] = time.perf_counter) -> float:
    """Measures how fast matrices are multiplied, in a fraction of a second even where that is very slow.

    Args:
        dtype: Type of the matrices.
        clock: Seconds since some moment.

    Returns:
        Floating-point operations per second.
    """
    best = 0.0
    for size in SIZES:
        matrix, seconds = torch.ones(size, size, dtype=dtype), []
        for _ in range(3):  # the first one also chooses a kernel
            start = clock()
            matrix @ matrix
            seconds.append(max(clock() - start, 1e-9))
            if seconds[-1] > ENOUGH and len(seconds) > 1:
                break
        best = max(best, 2 * size**3 / min(seconds))
        if min(seconds) > ENOUGH:
            break
    return best


def _lines(compute_dtype: str, rates: dict[str, float]) -> list[str]:
    """What there is to say of a CPU with these rates."""
    other = OTHER[compute_dtype]
    threads = torch.get_num_threads()
    found = f"{_giga(rates[compute_dtype])} in {compute_dtype}, {_giga(rates[other])} in {other}"
    lines = [f"no GPU: computing on the CPU, {threads} thread(s) (matrix multiplication: {found})"]
    if rates[other] >= MUCH_SLOWER * rates[compute_dtype]:
        times = rates[other] / rates[compute_dtype]
        lines.append(
            f"warning: this CPU multiplies matrices {times:.{0 if times >= 10 else 1}f} times as fast in {other} as in "
            f"{compute_dtype}. Set 'quantization.compute_dtype: {other}' in the config if this takes too long; results "
            "differ by rounding, so all of a study has to be computed in one of the two."
        )
    return lines


def _giga(rate: float) -> str:
    return f"{rate / 1e9:,.3g} GFLOP/s"
