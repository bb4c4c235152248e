"""The learning rate over a training, as transformers schedules it. Needs no torch."""

import math


def share_of_highest(schedule: str, warmup: float, step: int, planned: int) -> float:
    """The learning rate after a number of optimizer steps, divided by the highest one.

    Args:
        schedule: cosine, linear or constant; transformers' constant one has no warm-up.
        warmup: Steps in which the rate rises.
        step: Optimizer steps done.
        planned: Optimizer steps in all epochs: the schedule is laid out over these, wherever training stops.
    """
    if schedule == "constant":
        return 1.0
    if step < warmup:
        return step / warmup
    done = min((step - warmup) / max(1, planned - warmup), 1.0)
    return (1 + math.cos(math.pi * done)) / 2 if schedule == "cosine" else 1 - done
