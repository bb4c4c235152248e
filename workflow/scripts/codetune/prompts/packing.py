"""Packing of samples into training sequences."""

import math
from bisect import bisect_left


def steps_per_epoch(sequences: int, batch_size: int) -> int:
    """Optimizer steps of one pass over the training sequences; the last batch may be smaller."""
    return math.ceil(sequences / batch_size)


def pack(lengths: list[int], capacity: int) -> list[list[int]]:
    """Packs samples into bins by best-fit decreasing: each goes, longest first, where least room would remain.

    Args:
        lengths: Tokens of each sample, at most `capacity`.
        capacity: Tokens of a bin.

    Returns:
        For each bin the indices of its samples.
    """
    bins: list[list[int]] = []
    open_bins: dict[int, list[int]] = {}  # room left -> bins with just that room
    rooms: list[int] = []  # the keys of open_bins, ascending
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        position = bisect_left(rooms, length)
        if position == len(rooms):
            bins.append([])
            chosen, room = len(bins) - 1, capacity
        else:
            room = rooms[position]
            chosen = open_bins[room].pop()
            if not open_bins[room]:
                del open_bins[room], rooms[position]
        bins[chosen].append(index)
        left = room - length
        if left > 0:
            if left not in open_bins:
                open_bins[left] = []
                rooms.insert(bisect_left(rooms, left), left)
            open_bins[left].append(chosen)
    return bins
