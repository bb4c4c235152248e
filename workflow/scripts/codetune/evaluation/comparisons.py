"""What the bootstrap says of one test set: every score with its interval, and every gain over a baseline."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from codetune.base.errors import StudyError
from codetune.base.files import MADE_AGAIN
from codetune.base.plain import read_as
from codetune.evaluation.metric import ON_CODE
from codetune.study.runs import System

ALPHA = 0.05  # level of the verdicts: the chance that any of a family says better or worse where there is nothing
Family = Literal["gain", "other gain", "pair"]


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

    @property
    def words(self) -> str:
        """The label with the signature, as notes below tables have it."""
        return f"{self.label} [{self.signature}]"


@dataclass(frozen=True)
class Score:
    """The score of a system by one metric.

    Attributes:
        data: Name of its training data; `none` where there are none.
        model: Name of its model.
        method: Name of its method.
        metric: Name of the metric.
        score: Mean over seeds; None where the metric applies to none of a seed's samples.
        interval: Its lower and upper end; None without a score, and where fewer than six samples have a value. It is
            over samples and, where there are several, over seeds; of one seed it is about this one training.
        seeds: The score of each seed.
        deviation: Standard deviation over seeds; None for a single one, and without a score.
        without_leaked: Mean over seeds of the score of the samples that do not leak; None where the metric applies to
            none of them, and in a class of samples.
    """

    data: str
    model: str
    method: str
    metric: str
    score: float | None
    interval: list[float] | None
    seeds: list[float | None]
    deviation: float | None
    without_leaked: float | None = None

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
    """The difference between the scores of two systems by one metric, on the same samples.

    Attributes:
        family: Which comparisons it is corrected with. `gain`: of a system over the better of its method's baselines by
            this metric. `other gain`: over another of these baselines, which gets no p-value and no verdict. `pair`: of
            two systems otherwise.
        system: The system.
        over: The system that it is compared with.
        metric: Name of the metric.
        gain: The first one's score less the other's; None where one of them has no score, and so are the values below.
        interval: Lower and upper end of the gain's interval, which is not corrected; None also where fewer than six
            samples have a value. Where there is a verdict, it lies on that side of zero.
        p: Two-sided p-value of no difference.
        p_holm: The same, corrected over all comparisons of the family with a p-value by this metric on this test set.
        seeds: Number of runs of the system.
        over_seeds: Number of runs of the other.
    """

    family: Family
    system: System
    over: System
    metric: str
    gain: float | None
    interval: list[float] | None
    p: float | None
    p_holm: float | None
    seeds: int = 1
    over_seeds: int = 1

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Lower and upper end of the gain's interval."""
        return _ends(self.interval)

    @property
    def verdict(self) -> str | None:
        """What the corrected p-value says; None where there is none."""
        if self.gain is None or self.p_holm is None:
            return None
        if self.p_holm > ALPHA:
            return "undecided"
        return "better" if self.gain > 0 else "worse"

    def is_of_one_training(self, tuned: Collection[System]) -> bool:
        """Whether it has a tuned system of one seed, so that interval and verdict are about that one training.

        Args:
            tuned: The systems that are tuned.
        """
        return (self.system in tuned and self.seeds == 1) or (self.over in tuned and self.over_seeds == 1)

    @property
    def reverse(self) -> "Comparison":
        """The same comparison, of the second system with the first."""
        interval = None if self.interval is None else [-end for end in reversed(self.interval)]
        gain = None if self.gain is None else -self.gain
        exchanged = replace(self, system=self.over, over=self.system, seeds=self.over_seeds, over_seeds=self.seeds)
        return replace(exchanged, gain=gain, interval=interval)


@dataclass(frozen=True)
class SampleClass:
    """The scores and gains in a class of test samples, by the headline metric, as written and on code.

    Attributes:
        kind: What its samples have in common: the language, or the length of the reference in characters.
        name: Which language or length; of pooled classes all languages, or the shortest and the longest length.
        members: The classes that it holds, with the number of samples of each; more than one if small ones are pooled.
        samples: Number of its samples.
        measured: Number of them that have a value by each metric, of the system that has fewest.
        scores: Of each system by each metric, over these samples.
        gains: Of each system over each of its method's baselines by each metric. Which baseline is the better one was
            decided over all samples, and `family` says it. None has a p-value.
    """

    kind: Literal["language", "length"]
    name: str
    members: dict[str, int]
    samples: int
    measured: dict[str, int]
    scores: list[Score]
    gains: list[Comparison]

    def score_of(self, system: System, metric: str) -> Score:
        """The score of a system, which was evaluated on this test set."""
        return next(one for one in self.scores if (one.system, one.metric) == (system, metric))

    def gain_of(self, system: System, metric: str) -> Comparison | None:
        """The gain over the better of the baselines of a system's method; None where no baseline was evaluated."""
        found = (one for one in self.gains if one.family == "gain")
        return next((one for one in found if (one.system, one.metric) == (system, metric)), None)


@dataclass(frozen=True)
class Comparisons:
    """comparisons/<test>.json.

    Attributes:
        test: Name of the test set.
        resamples: Number of bootstrap resamples: as the config says, or more where a family has many comparisons.
        seed: Of the resamples.
        level: Of the intervals.
        metrics: Every metric by its name.
        scores: Of each system by each metric.
        comparisons: Of each system with each of its method's baselines, and of all pairs that a reader may ask for, by
            each metric.
        classes: Scores and gains by language, and by length of the reference.
        leaked: Ids of the test samples that leak from the training data of any of the systems.
    """

    test: str
    resamples: int
    seed: int
    level: float
    metrics: dict[str, MetricFacts]
    scores: list[Score]
    comparisons: list[Comparison]
    classes: list[SampleClass] = field(default_factory=list)
    leaked: list[int] = field(default_factory=list)

    def on_code(self, metric: str) -> str | None:
        """Name of the same metric on the code in a prediction; None for a metric that is on code itself."""
        name = metric + ON_CODE
        return name if name in self.metrics else None

    def signatures_of(self, metric: str) -> str:
        """A metric and, if there is one, the same on code, each with its signature."""
        return "; ".join(self.metrics[name].words for name in (metric, self.on_code(metric)) if name)

    def score_of(self, system: System, metric: str) -> Score:
        """The score of a system.

        Raises:
            StudyError: The system was not evaluated when these comparisons were made.
        """
        if score := self._scores_by_system.get((system, metric)):
            return score
        raise StudyError(
            f"comparisons of {self.test}: no {metric} of {', '.join(system)}. Delete the file and run again."
        )

    def gain_of(self, system: System, metric: str) -> Comparison | None:
        """The gain over the better of the baselines of a system's method; None where no baseline was evaluated."""
        found = (one for one in self.comparisons if one.family == "gain")
        return next((one for one in found if (one.system, one.metric) == (system, metric)), None)

    def gain_over(self, system: System, method: str, metric: str) -> Comparison | None:
        """The gain over a baseline, whether or not it is the better one; None where that was not evaluated.

        Args:
            system: The system.
            method: Name of the baseline's method.
            metric: Name of the metric.
        """
        gains = (one for one in self.comparisons if one.family != "pair")
        wanted = (system, metric, method)
        return next((one for one in gains if (one.system, one.metric, one.over.method) == wanted), None)

    def pair_of(self, system: System, over: System, metric: str) -> Comparison | None:
        """The comparison of two systems, whichever of them was compared with the other; None where neither was."""
        if found := self._pairs.get((system, over, metric)):
            return found
        found = self._pairs.get((over, system, metric))
        return found.reverse if found else None

    # By what they are asked for: the table of pairs of a large study asks ten thousand times.

    @cached_property
    def _scores_by_system(self) -> dict[tuple[System, str], Score]:
        return {(one.system, one.metric): one for one in reversed(self.scores)}

    @cached_property
    def _pairs(self) -> dict[tuple[System, System, str], Comparison]:
        return {(one.system, one.over, one.metric): one for one in reversed(self.comparisons) if one.family == "pair"}


def _ends(interval: list[float] | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval[0], interval[1])


def read_comparisons(path: str | Path) -> Comparisons:
    """Reads what the bootstrap says of one test set.

    Raises:
        StudyError: The file is not of this form.
    """
    found = read_as(path, Comparisons)
    parts = [found.scores, found.comparisons, *(part for one in found.classes for part in (one.scores, one.gains))]
    shown: list[Score | Comparison] = [one for part in parts for one in part]
    for one in shown:
        if (one.interval is not None and len(one.interval) != 2) or one.metric not in found.metrics:
            raise StudyError(f"{path}: an interval or a metric of {', '.join(one.system)} is damaged. {MADE_AGAIN}")
    return found
