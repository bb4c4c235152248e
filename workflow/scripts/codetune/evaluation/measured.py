"""Systems by one metric, over the samples and over each resample: their scores, and the differences of these."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codetune.base.files import finite_or_none
from codetune.evaluation.bootstrap import Array, Resamples
from codetune.evaluation.comparisons import Comparison, Family, Score
from codetune.evaluation.distribution import distribution_of, interval_of_gain, interval_of_score, p_value
from codetune.evaluation.estimate import (
    Estimate,
    count_measured,
    difference,
    estimate_score,
    no_difference,
    resample_scores,
)
from codetune.evaluation.metric import Metric
from codetune.evaluation.pairs import Pair
from codetune.study.runs import System

COLUMNS_AT_ONCE = 900  # of statistics that are multiplied together, to bound memory: of 50 runs by chrF


@dataclass(frozen=True)
class Measured:
    """A system by one metric.

    Attributes:
        estimate: Its score.
        seeds: The score of each seed.
        tables: The statistics of each seed; shape (samples, statistics).
    """

    estimate: Estimate
    seeds: list[float]
    tables: list[Array]


def measure(
    metric: Metric,
    tables: Mapping[System, list[Array]],
    resamples: Resamples,
    as_written: Mapping[System, Measured] | None = None,
) -> dict[System, Measured]:
    """Scores every system by one metric, over the samples and over each resample.

    Args:
        metric: The metric.
        tables: For each system its statistics of each seed; shape (samples, statistics).
        resamples: The resamples of these samples, the same for all systems.
        as_written: Of a metric on code, the systems by the same metric of the whole text. Those that wrote nothing but
            code have the same statistics, and are not measured twice.
    """
    known = {system: one for system, one in (as_written or {}).items() if _are_of(one, tables[system])}
    measured = _measure({system: of for system, of in tables.items() if system not in known}, metric, resamples)
    return {system: known.get(system) or measured[system] for system in tables}


def _are_of(one: Measured, tables: Sequence[Array]) -> bool:
    return all(np.array_equal(own, table) for own, table in zip(one.tables, tables, strict=True))


def _measure(tables: Mapping[System, list[Array]], metric: Metric, resamples: Resamples) -> dict[System, Measured]:
    found: dict[System, Measured] = {}
    for systems in _batches(tables, COLUMNS_AT_ONCE // len(metric.none)):
        resampled = resample_scores(metric, [table for system in systems for table in tables[system]], resamples)
        for system in systems:
            seeds = tables[system]
            own, resampled = resampled[: len(seeds)], resampled[len(seeds) :]
            scores = [float(metric.score(table.astype(np.float64).sum(axis=0, keepdims=True))[0]) for table in seeds]
            samples = min(count_measured(metric, table) for table in seeds)
            found[system] = Measured(estimate_score(scores, own, samples), scores, seeds)
    return found


def _batches(tables: Mapping[System, list[Array]], runs: int) -> Iterator[list[System]]:
    """Systems in groups of at most so many runs, or of one system."""
    batch: list[System] = []
    for system in tables:
        if batch and sum(len(tables[one]) for one in [*batch, system]) > runs:
            yield batch
            batch = []
        batch.append(system)
    if batch:
        yield batch


def compare_two(
    family: Family, pair: Pair, name: str, metric: Metric, found: Mapping[System, Measured], seed: int
) -> Comparison:
    """Compares two systems, without a correction.

    Args:
        family: Which comparisons it is corrected with.
        pair: The systems.
        name: Name of the metric.
        metric: The metric.
        found: Every system by this metric.
        seed: Of what is drawn beside the resamples.
    """
    one, other = found[pair.system], found[pair.over]
    differing = int(find_differing(one, other).sum())
    gain = difference(one.estimate, other.estimate) if differing else no_difference(one.estimate)
    differing = min(differing, gain.samples)  # of those that only one of the systems has a value for, none decides
    distribution = distribution_of(gain, seed)
    return Comparison(
        family=family,
        system=pair.system,
        over=pair.over,
        metric=name,
        gain=finite_or_none(gain.value),
        interval=interval_of_gain(gain, distribution, differing, metric.highest),
        p=None if family == "other gain" else p_value(gain.value, distribution, differing),
        p_holm=None,
        seeds=len(one.seeds),
        over_seeds=len(other.seeds),
    )


def find_differing(one: Measured, other: Measured) -> npt.NDArray[np.bool_]:
    """Finds the samples whose statistics are not the same in all seeds of two systems; shape (samples,)."""
    first, *others = [*one.tables, *other.tables]
    differing: npt.NDArray[np.bool_] = np.any([(table != first).any(axis=1) for table in others], axis=0)
    return differing


def score_of(system: System, name: str, found: Measured, metric: Metric, seed: int) -> Score:
    """Returns the score of a system with its interval.

    Args:
        system: The system.
        name: Name of the metric.
        found: The system by this metric.
        metric: The metric.
        seed: Of what is drawn beside the resamples.
    """
    return Score(
        *system,
        metric=name,
        score=finite_or_none(found.estimate.value),
        interval=interval_of_score(found.estimate, metric.highest, seed),
        seeds=[finite_or_none(score) for score in found.seeds],
        deviation=finite_or_none(float(np.std(found.seeds, ddof=1))) if len(found.seeds) > 1 else None,
    )
