"""The learning rate over a training, as transformers schedules it. Needs no torch."""

import math


def steps_of_warmup(warmup: float, planned: int) -> int:
    """The steps in which the learning rate rises, as transformers resolves them.

    Args:
        warmup: Their number, or their share of all steps if it is below 1.
        planned: Optimizer steps in all epochs.
    """
    return int(warmup) if warmup >= 1 else math.ceil(planned * warmup)


def share_of_highest(schedule: str, warmup: float, step: int, planned: int) -> float:
    """The learning rate after a number of optimizer steps, divided by the highest one.

    Args:
        schedule: cosine, linear or constant.
        warmup: Steps in which the rate rises, or their share of all steps.
        step: Optimizer steps done.
        planned: Optimizer steps in all epochs: the schedule is laid out over these, wherever training stops.
    """
    rising = steps_of_warmup(warmup, planned)
    if step < rising:
        return step / rising
    if schedule == "constant":
        return 1.0
    done = min((step - rising) / max(1, planned - rising), 1.0)
    return (1 + math.cos(math.pi * done)) / 2 if schedule == "cosine" else 1 - done
