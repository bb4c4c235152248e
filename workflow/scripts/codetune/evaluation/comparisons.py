"""What the bootstrap says of one test set: every score with its interval, and every gain over a baseline."""

from dataclasses import dataclass
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN
from codetune.base.plain import read_as
from codetune.study.runs import System


@dataclass(frozen=True)
class MetricFacts:
    """What a reader of a score has to know of its metric.

    Attributes:
        label: For tables and figures.
        signature: What else a reader has to know to get the same numbers.
        highest: The best score, which tells the scale.
    """

    label: str
    signature: str
    highest: float


@dataclass(frozen=True)
class Score:
    """The score of a system by one metric.

    Attributes:
        data: Name of its training data; `none` where there are none.
        model: Name of its model.
        method: Name of its method.
        metric: Name of the metric.
        score: Mean over seeds; None where the metric applies to none of a seed's samples.
        interval: Its lower and upper end; None without a score.
        seeds: The score of each seed.
        deviation: Standard deviation over seeds; None for a single one, and without a score.
    """

    data: str
    model: str
    method: str
    metric: str
    score: float | None
    interval: list[float] | None
    seeds: list[float | None]
    deviation: float | None

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Lower and upper end of the interval."""
        return _ends(self.interval)

    @property
    def system(self) -> System:
        """The system that has this score."""
        return System(self.data, self.model, self.method)


@dataclass(frozen=True)
class Comparison:
    """The gain of a system over one of its method's baselines by one metric.

    Attributes:
        data: Name of its training data; `none` where there are none.
        model: Name of its model, which is the baseline's too.
        method: Name of its method.
        baseline: Name of the baseline's method.
        metric: Name of the metric.
        gain: Its score less the baseline's; None where one of them has no score, and so are the values below.
        interval: The gain's lower and upper end.
        p: Two-sided p-value of no difference.
        p_holm: The same, corrected over all comparisons with a p-value by this metric on this test set.
    """

    data: str
    model: str
    method: str
    baseline: str
    metric: str
    gain: float | None
    interval: list[float] | None
    p: float | None
    p_holm: float | None

    @property
    def system(self) -> System:
        """The system that is compared with the baseline."""
        return System(self.data, self.model, self.method)

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Lower and upper end of the gain's interval."""
        return _ends(self.interval)

    @property
    def verdict(self) -> str | None:
        """What the interval of the gain says; None where nothing was measured."""
        if self.interval is None:
            return None
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "no difference"


@dataclass(frozen=True)
class Comparisons:
    """comparisons/<test>.json.

    Attributes:
        test: Name of the test set.
        resamples: Number of bootstrap resamples.
        seed: Of the resamples.
        level: Of the intervals.
        metrics: Every metric by its name.
        scores: Of each system by each metric.
        comparisons: Of each system with each of its method's baselines by each metric.
    """

    test: str
    resamples: int
    seed: int
    level: float
    metrics: dict[str, MetricFacts]
    scores: list[Score]
    comparisons: list[Comparison]

    def score_of(self, system: System, metric: str) -> Score:
        """The score of a system.

        Raises:
            StudyError: The system was not evaluated when these comparisons were made.
        """
        for score in self.scores:
            if score.system == system and score.metric == metric:
                return score
        raise StudyError(
            f"comparisons of {self.test}: no {metric} of {', '.join(system)}. Delete the file and run again."
        )

    def comparison_of(self, system: System, metric: str) -> Comparison | None:
        """The gain over the first baseline of the system's method; None where no baseline was evaluated."""
        for comparison in self.comparisons:
            if comparison.system == system and comparison.metric == metric:
                return comparison
        return None


def _ends(interval: list[float] | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval[0], interval[1])


def read_comparisons(path: str | Path) -> Comparisons:
    """Reads what the bootstrap says of one test set.

    Raises:
        StudyError: The file is not of this form.
    """
    found = read_as(path, Comparisons)
    shown: list[Score | Comparison] = [*found.scores, *found.comparisons]
    for one in shown:
        if (one.interval is not None and len(one.interval) != 2) or one.metric not in found.metrics:
            raise StudyError(f"{path}: an interval or a metric of {', '.join(one.system)} is damaged. {MADE_AGAIN}")
    return found
