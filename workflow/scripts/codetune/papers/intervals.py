"""What intervals and comparisons of this study say of a number or a claim of the paper."""

import math
from collections.abc import Iterable
from statistics import NormalDist

from codetune.evaluation.comparisons import Comparison, Score
from codetune.evaluation.distribution import LEVEL
from codetune.papers.printed import parse_printed
from codetune.papers.verdicts import COMPATIBLE, NOT_COMPATIBLE, UNDECIDED

Interval = tuple[float, float]

DEVIATIONS = NormalDist().inv_cdf((1 + LEVEL) / 2)  # to each side, of a normal distribution
LEAST_SAMPLES = 100  # of a test set, below which nothing is decided: a bootstrap of fewer is too narrow
CLOSE = 1e-9  # values as near as this touch: 0.455 and 0.45 + 0.005 differ in the last bit


def of_another_sample(score: Score) -> Interval | None:
    """Where a replication with one seed, on as many other samples, has its score in 95 of 100 cases.

    The paper's score has a sampling error as ours has, which the paper does not state. So this is the interval of the
    difference of two such scores: each end is the square root of 2 farther away than that of our own interval. A mean
    over seeds varies less than the score of one seed, and what it varies less by is added where several seeds tell it.

    Returns:
        Lower and upper end; None without a score.
    """
    if score.score is None or score.interval is None:
        return None
    low, high = score.interval
    of_one_seed = (DEVIATIONS * (score.deviation or 0.0)) ** 2 * (1 - 1 / len(score.seeds))
    below, above = (math.sqrt(2 * (score.score - end) ** 2 + of_one_seed) for end in (low, high))
    return score.score - below, score.score + above


def percent_of_another_sample(tuned: Score, base: Score, gain: Comparison) -> Interval | None:
    """The same for the gain in percent of the untuned score.

    It is a ratio of two scores that vary together, so that its interval is Fieller's: the percentages g for which
    gain - g base is not farther from zero than sampling takes it. How the two vary together follows from their own
    intervals and from that of their difference.

    Returns:
        Lower and upper end; None where a score is missing, or the untuned one could be zero.
    """
    intervals = [one.interval for one in (gain, tuned, base) if one.interval is not None]
    if gain.gain is None or base.score is None or len(intervals) < 3:
        return None
    apart, of_tuned, of_base = (_half_squared(*interval) for interval in intervals)
    together = (of_tuned - of_base - apart) / 2  # of gain and untuned score
    # (gain - g base)^2 = apart - 2 g together + g^2 of_base, ordered by powers of g
    square, linear = base.score**2 - of_base, gain.gain * base.score - together
    inside = linear**2 - square * (gain.gain**2 - apart)
    if square <= 0 or inside < 0:
        return None
    return 100 * (linear - math.sqrt(inside)) / square, 100 * (linear + math.sqrt(inside)) / square


def _half_squared(low: float, high: float) -> float:
    """The square of half the length of an interval, widened to that of a difference of two samples."""
    return 2 * ((high - low) / 2) ** 2


def compare(interval: Interval | None, printed: object, samples: int, widest: float) -> str:
    """Whether a number that the paper prints is what another sample could have given.

    Args:
        interval: Where the score of another sample lies; None where there is none.
        printed: The paper's number: every value that rounds to it counts as printed.
        samples: Number of test samples.
        widest: Length from which on an interval says too little to call the number compatible.
    """
    if interval is None or samples < LEAST_SAMPLES:
        return UNDECIDED
    value, half = parse_printed(printed)
    low, high = interval
    if low > value + half + CLOSE or high < value - half - CLOSE:
        return NOT_COMPATIBLE
    return COMPATIBLE if high - low <= widest else UNDECIDED


def direction(comparison: Comparison | None) -> str:
    """`better`, `worse` or `undecided`: by the corrected p-value, and where there is none by the interval alone."""
    if comparison is None or comparison.interval is None:
        return UNDECIDED
    if comparison.verdict:
        return comparison.verdict
    low, high = comparison.interval
    return "better" if low > 0 else "worse" if high < 0 else UNDECIDED


def of_all(directions: Iterable[str], samples: int) -> str:
    """The verdict on a claim that all comparisons are won: one that is lost is enough against it."""
    found = set(directions) if samples >= LEAST_SAMPLES else {UNDECIDED}
    if "worse" in found:
        return NOT_COMPATIBLE
    return COMPATIBLE if found == {"better"} else UNDECIDED
