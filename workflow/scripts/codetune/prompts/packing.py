"""Packing of samples into training sequences of a fixed capacity."""

import math
from bisect import bisect_left


def steps_per_epoch(sequences: int, batch_size: int) -> int:
    """Returns the optimizer steps of one pass over the training sequences; the last batch may be smaller."""
    return math.ceil(sequences / batch_size)


def pack(lengths: list[int], capacity: int | None) -> list[list[int]]:
    """Packs samples into bins by best-fit decreasing.

    Samples are placed longest first, each into the bin in which it leaves the least free capacity.

    Args:
        lengths: Number of tokens of each sample, at most `capacity`.
        capacity: Most tokens per bin; None for a bin of its own for each sample.

    Returns:
        For each bin the indices of its samples.
    """
    if capacity is None:
        return [[index] for index in range(len(lengths))]
    bins: list[list[int]] = []
    open_bins: dict[int, list[int]] = {}  # free capacity -> bins with exactly that free capacity
    free: list[int] = []  # the keys of open_bins, ascending
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        position = bisect_left(free, length)
        if position == len(free):
            bins.append([])
            chosen, before = len(bins) - 1, capacity
        else:
            before = free[position]
            chosen = open_bins[before].pop()
            if not open_bins[before]:
                del open_bins[before], free[position]
        bins[chosen].append(index)
        after = before - length
        if after > 0:
            if after not in open_bins:
                open_bins[after] = []
                free.insert(bisect_left(free, after), after)
            open_bins[after].append(chosen)
    return bins


def steps_between_evaluations(steps: int, evaluations: int) -> int:
    """Counts the optimizer steps from one validation to the next.

    Args:
        steps: Optimizer steps per epoch.
        evaluations: Validations per epoch.
    """
    return max(1, math.ceil(steps / evaluations))
