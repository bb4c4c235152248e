"""Which systems are compared with which, and how many resamples that takes. The rules ask this module as well."""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from codetune.study.runs import NONE, System

# Resamples per comparison of the largest family. R of them give p-values from 2 / (R + 1) on, which times the number of
# comparisons is then 0.01: five times less than what a verdict needs.
RESAMPLES_PER_COMPARISON = 200

Baselines = Mapping[System, Sequence[str]]  # the baselines of each system's method


class Pair(NamedTuple):
    """Two systems to compare."""

    system: System
    over: System


def gains_of(baselines: Baselines) -> list[Pair]:
    """Pairs each system with each of its baselines: of the same model, without training data or with the same.

    Args:
        baselines: The systems, with the baselines of their methods.
    """
    return [
        Pair(system, other)
        for system, names in baselines.items()
        for name in names
        for other in baselines
        if (other.model, other.method) == (system.model, name) and other.data in (NONE, system.data)
    ]


def pairs_of(baselines: Baselines, trained: Collection[System]) -> list[Pair]:
    """Chooses what is compared beside the gains.

    - The same method on the same data, of two models.
    - The same model after the same method on two training data.
    - The same model after two methods, neither of which is a baseline of the other; on the same data, if both train.
    - Each tuned system and each system of a model that is never tuned, or of none; on the same data, if both have any.

    Args:
        baselines: The systems, with the baselines of their methods.
        trained: Those of them that are tuned.
    """
    tuned = {system.model for system in baselines if system in trained}
    gains = {frozenset(pair) for pair in gains_of(baselines)}
    found = []
    for one, other in combinations(baselines, 2):
        if one.method == other.method:
            wanted = one.data == other.data or (one in trained and one.model == other.model)
        elif one.model == other.model:
            wanted = {one, other} not in gains and (one.data == other.data or not {one, other} <= set(trained))
        else:
            same_data = one.data == other.data or NONE in (one.data, other.data)
            wanted = (one in trained) != (other in trained) and not {one.model, other.model} <= tuned and same_data
        if wanted:
            found.append(Pair(other, one) if other in trained and one not in trained else Pair(one, other))
    return found


def count_resamples(baselines: Baselines, trained: Collection[System], least: int) -> int:
    """Returns the number of resamples: with more comparisons in a family, its smallest p-value has to be smaller.

    Args:
        baselines: The systems, with the baselines of their methods.
        trained: Those of them that are tuned.
        least: The number that the config asks for.
    """
    largest = max(len({pair.system for pair in gains_of(baselines)}), len(pairs_of(baselines, trained)))
    return max(least, RESAMPLES_PER_COMPARISON * largest)
