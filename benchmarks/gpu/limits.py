"""The limits of the device, measured: how fast it multiplies matrices, and how fast it moves memory."""

import time
from collections.abc import Callable

import torch

# isort: split

from codetune.models.device import device

SECONDS = 0.5  # that a limit is measured for
SIDE, COPIED = 8192, 1 << 30  # of the square matrices; bytes of the tensor that is copied
SIDE_IN_SMALL, COPIED_IN_SMALL = 128, 1 << 20


def multiplication_rate(dtype: torch.dtype, small: bool) -> float:
    """Operations per second of torch.mm on square matrices, in its fastest call."""
    side = SIDE_IN_SMALL if small else SIDE
    left, right = (torch.randn(side, side, device=device()).to(dtype) for _ in range(2))
    return 2 * side**3 / _fastest(lambda: torch.mm(left, right), small)


def copy_rate(small: bool) -> float:
    """Bytes per second that are read and written where a large tensor is copied, in the fastest copy."""
    size = COPIED_IN_SMALL if small else COPIED
    source = torch.ones(size, dtype=torch.uint8, device=device())
    target = torch.empty_like(source)
    return 2 * size / _fastest(lambda: target.copy_(source), small)


def _fastest(run: Callable[[], object], small: bool) -> float:
    """Seconds of the fastest of many calls."""
    seconds_of(run)  # the first call loads kernels
    end = time.monotonic() + (0.05 if small else SECONDS)
    fastest = seconds_of(run)
    while time.monotonic() < end:
        fastest = min(fastest, seconds_of(run))
    return fastest


def seconds_of(run: Callable[[], object]) -> float:
    """Seconds from the call until the device has done all of it."""
    synchronize()
    began = time.perf_counter()
    run()
    synchronize()
    return time.perf_counter() - began


def synchronize() -> None:
    """Waits until the device has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
