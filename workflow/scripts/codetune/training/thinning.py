"""Which checkpoints of a training are kept when not all have room."""

from collections.abc import Sequence


def thinned(evaluated: Sequence[int], best: int | None, most: float) -> set[int]:
    """Chooses checkpoints evenly: every one, or every second, fourth, eighth ... evaluation's, and the best one.

    What is left out once is left out for good as more evaluations come, so nothing that was deleted is wanted later.
    The best one may lie between the others; it is deleted when a better one comes.

    Args:
        evaluated: The steps of all evaluations so far, in ascending order.
        best: The step of the best of them; None if there is none.
        most: The most to choose; the best one is chosen in any case.
    """
    every, left = 1, len(evaluated)
    while left + (every > 1) > most and left > 0:
        every *= 2
        left = len(evaluated) // every
    return {*evaluated[every - 1 :: every], *([] if best is None else [best])}
