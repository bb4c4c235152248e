"""The curve of a system: the means of its seeds' curves, with intervals over samples and seeds.

Of each seed the interval over the samples is known, but not the samples. So the variance of the mean over the samples
is taken to be that of one seed, which is more: V = B + S of `evaluation/estimate.py`, where B is the mean of the seeds'
own. These intervals are never too short, and a little wider than those of the tables.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple

from codetune.evaluation.distribution import LEVEL, POWER, student_quantile
from codetune.study.curve import Curve, CurveScore

What = Literal["score", "gain"]
NORMAL = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)


class MeanPoint(NamedTuple):
    """The mean over seeds of a score or gain at a checkpoint.

    Attributes:
        step: Optimizer steps.
        value: The mean.
        low: Lower end of its interval; the mean itself where so few samples have a value that there is none.
        high: Upper end.
    """

    step: int
    value: float
    low: float
    high: float


def mean_curve(curves: Sequence[Curve], metric: str, what: What) -> list[MeanPoint]:
    """Averages the curves of the seeds of a system at the steps that all of them have and where all have a value.

    Args:
        curves: One per seed.
        metric: Name of the metric.
        what: `score`, or `gain` over step 0.
    """
    of_seeds = [{point.step: point.scores[metric] for point in curve.points} for curve in curves]
    shared = [step for step in of_seeds[0] if all(step in of_seed for of_seed in of_seeds)]
    points = [_mean(step, [_value(of_seed[step], what) for of_seed in of_seeds]) for step in shared]
    return [point for point in points if point is not None]


def _value(score: CurveScore, what: What) -> tuple[float | None, list[float] | None]:
    return (score.score, score.interval) if what == "score" else (score.gain, score.gain_interval)


def _mean(step: int, seeds: Sequence[tuple[float | None, list[float] | None]]) -> MeanPoint | None:
    """The mean of one point, if all seeds have a value."""
    values = [value for value, _ in seeds if value is not None]
    if len(values) < len(seeds):
        return None
    mean, known = statistics.fmean(values), [(value, *ends) for value, ends in seeds if value is not None and ends]
    if len(known) < len(values):
        return MeanPoint(step, mean, mean, mean)
    below = statistics.fmean(value - low for value, low, _ in known)
    above = statistics.fmean(high - value for value, _, high in known)
    if len(values) > 1:
        below, above = _with_seeds(below, above, values)
    return MeanPoint(step, mean, mean - below, mean + above)


def _with_seeds(below: float, above: float, values: Sequence[float]) -> tuple[float, float]:
    """Widens an interval over samples by what seeds differ.

    Args:
        below: Its lower end below the value, on average over the seeds.
        above: Its upper end above it.
        values: Of the seeds.
    """
    by_samples = ((below + above) / 2 / NORMAL) ** 2
    by_seeds = statistics.variance(values) / len(values)
    variance = by_samples + by_seeds
    if variance == 0:
        return below, above
    weight = (by_seeds / variance) ** POWER if by_samples else 1.0
    wider = math.sqrt(variance / by_samples) if by_samples else 0.0
    quantile = student_quantile(float(len(values) - 1), (1 + LEVEL) / 2)
    more = weight * math.sqrt(variance) * quantile
    return (1 - weight) * wider * below + more, (1 - weight) * wider * above + more
