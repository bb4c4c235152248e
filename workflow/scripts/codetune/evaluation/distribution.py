"""The distribution of an estimate, its interval and its p-value, by the formulas of `estimate`."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from codetune.evaluation.bootstrap import Array
from codetune.evaluation.estimate import Estimate, unbiased

LEVEL = 0.95
FEWEST = 6  # samples that can decide: where n differ, the sign test's smallest two-sided p-value is 2^(1 - n)
POWER = 1.3  # of the seeds' share of the variance, which gives the weight of Student's t
LEAST = 0.25  # share of B or C that is left of the variance at least


@dataclass(frozen=True)
class Distribution:
    """The values that an estimate could have had, in ascending order; each is computed when it is asked for.

    Attributes:
        value: The estimate.
        deviations: Of the resamples, each by its factor, in ascending order.
        stretch: What makes their variance V, times 1 - w.
        seeds: w times the root of V.
        freedom: Degrees of freedom of the seeds.
    """

    value: float
    deviations: Array
    stretch: float
    seeds: float
    freedom: float

    def __len__(self) -> int:
        """Their number; 0 of an estimate without a value."""
        return len(self.deviations)

    def __getitem__(self, place: int) -> float:
        """The value at a place, from 0."""
        found = self.stretch * float(self.deviations[place])
        if self.seeds > 0:
            found += self.seeds * student_quantile(self.freedom, (place + 1) / (len(self) + 1))
        return self.value + found


def distribution_of(estimate: Estimate, seed: int) -> Distribution:
    """Returns the distribution of an estimate; an empty one where it has no value.

    Args:
        estimate: The estimate.
        seed: Of what is drawn beside the resamples.
    """
    missing = np.isnan(estimate.resamples)
    known = estimate.resamples[~missing] if missing.any() else estimate.resamples
    if np.isnan(estimate.value) or not len(known):
        return Distribution(estimate.value, np.empty(0), 1.0, 0.0, estimate.freedom)
    by_samples = float(known.var()) * unbiased(estimate.samples)
    by_seeds, shared = estimate.seed_variance, estimate.shared_variance
    deviations = np.sort((known - estimate.value) * _student_factors(estimate.samples, len(known), seed))
    variance = max(by_samples + by_seeds - shared, LEAST * max(by_samples, shared))
    weight = 0.0
    if max(by_seeds, shared) > 0:
        weight = min(1.0, (by_seeds / variance) ** POWER) if by_samples > 0 else 1.0
    stretch = (1 - weight) * math.sqrt(variance / by_samples) if by_samples > 0 else 1.0 - weight
    return Distribution(estimate.value, deviations, stretch, weight * math.sqrt(variance), estimate.freedom)


@lru_cache(maxsize=8)
def _student_factors(samples: int, resamples: int, seed: int) -> Array:
    """A factor for each resample: the root of n / chi-squared with n - 1 degrees of freedom."""
    generator = np.random.default_rng([seed, 1])  # independent of the resamples, and the same for all estimates
    factors: Array = np.sqrt(max(2, samples) / generator.chisquare(max(1, samples - 1), resamples))
    return factors


def student_quantile(freedom: float, share: float) -> float:
    """A quantile of Student's t.

    The angle whose tangent is t / sqrt(freedom) has a density that is its cosine to the power freedom - 1, which is
    summed up here: scipy, which knows these quantiles, is not among the packages.

    Args:
        freedom: Degrees of freedom.
        share: Of the distribution, which lies below the quantile; between 0 and 1.
    """
    return math.sqrt(freedom) * math.tan(np.interp(share, _below_angles(freedom), _angles()[0]))


@lru_cache(maxsize=8)
def _below_angles(freedom: float) -> Array:
    """The share of the distribution below each angle."""
    density = _angles()[1] ** (freedom - 1)
    sums = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    below: Array = sums / sums[-1]
    return below


@lru_cache(maxsize=1)
def _angles() -> tuple[Array, Array]:
    """Angles, and the cosine of each."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, 20_001)
    return angles, np.cos(angles).clip(0)


def interval_of(
    distribution: Distribution | Sequence[float], samples: int, lowest: float, highest: float
) -> list[float] | None:
    """Returns the percentile interval at `LEVEL`, whose ends are values of the distribution.

    It lies on one side of zero just where `p_value` gives at most 1 - `LEVEL` (Davison and Hinkley 1997, section 5.3).

    Args:
        distribution: Values in ascending order.
        samples: Number of samples that have a value.
        lowest: The lowest possible value.
        highest: The highest.

    Returns:
        Its lower and upper end; None where too few samples, or too few resamples, have a value.
    """
    place = int((1 - LEVEL) / 2 * (len(distribution) + 1) + 1e-9)
    if samples < FEWEST or place == 0:
        return None
    low, high = np.clip([distribution[place - 1], distribution[len(distribution) - place]], lowest, highest)
    return [float(low), float(high)]


def interval_of_score(estimate: Estimate, highest: float, seed: int) -> list[float] | None:
    """Returns the interval of a score; None where it has too few samples.

    Resamples of samples that all score 0, or all the best, are all alike, and know nothing of others. Then the end is
    that of Clopper and Pearson (1934) for the share of samples that score otherwise, none of n: (1 - LEVEL) / 2 is the
    chance to see none of a share of 1 - ((1 - LEVEL) / 2)^(1 / n). A mean of such samples is no further off.

    Args:
        estimate: The score.
        highest: The best score.
        seed: Of what is drawn beside the resamples.
    """
    interval = _around(estimate.value, interval_of(distribution_of(estimate, seed), estimate.samples, 0.0, highest))
    if interval is None or interval[0] < interval[1]:
        return interval
    alike = highest * ((1 - LEVEL) / 2) ** (1 / estimate.samples)
    return {0.0: [0.0, highest - alike], highest: [alike, highest]}.get(estimate.value, interval)


def _around(value: float, interval: list[float] | None) -> list[float] | None:
    """The interval, in which the value lies: of equal differences each sum has another last digit."""
    return None if interval is None else [min(value, interval[0]), max(value, interval[1])]


def interval_of_gain(gain: Estimate, distribution: Distribution, differing: int, highest: float) -> list[float] | None:
    """Returns the interval of a difference; None where too few samples have a value.

    It reaches zero where so few samples differ that no difference can be told from chance.

    Args:
        gain: The difference.
        distribution: Its distribution.
        differing: Number of samples that differ.
        highest: The best score.
    """
    interval = _around(gain.value, interval_of(distribution, gain.samples, -highest, highest))
    if interval is None or differing >= FEWEST:
        return interval
    return [min(0.0, interval[0]), max(0.0, interval[1])]


def p_value(gain: float, distribution: Distribution | Sequence[float], differing: int) -> float | None:
    """Two-sided p-value of a difference: 2 (b + 1) / (R + 1), where b of R values are not on its side of zero.

    Args:
        gain: The difference.
        distribution: Its distribution.
        differing: Number of samples that differ, n: the p-value is at least 2^(1 - n), as that of their sign test.

    Returns:
        The p-value; None where the difference has no value.
    """
    if not len(distribution):
        return None
    if gain == 0:
        return 1.0
    places = range(len(distribution))
    if gain > 0:
        beyond = bisect_right(places, 0.0, key=distribution.__getitem__)
    else:
        beyond = len(places) - bisect_left(places, 0.0, key=distribution.__getitem__)
    return min(1.0, max(2 * (beyond + 1) / (len(distribution) + 1), 2.0 ** (1 - differing)))
