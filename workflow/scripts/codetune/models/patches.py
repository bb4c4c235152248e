"""Patches of libraries, each called by the job that needs it. A test fails when one is no longer needed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def compute_labelled_logits_only() -> None:
    """Makes TRL 1.16.0 compute logits at labelled positions only, also where there is no GPU.

    On GPUs TRL does so anyway. Elsewhere it computes all logits, to keep shapes static for compiling backends. A CPU
    does not compile, so it takes the GPU's path.
    """
    import trl.trainer.utils

    trl.trainer.utils._use_triton = lambda _device: True


@contextmanager
def without_torch() -> Iterator[None]:
    """Keeps transformers 5.23.0 from importing torch within the block: the import takes longer than tokenising.

    transformers imports torch wherever it is installed. In a process that has already imported torch, nothing changes.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
