"""The answers to the questions of a study, as rule `answers` wrote them."""

from dataclasses import dataclass
from pathlib import Path

from codetune.base.plain import read_as
from codetune.evaluation.comparisons import Comparison


@dataclass(frozen=True)
class Answer:
    """What the systems on one test set say to a question.

    Attributes:
        question: Its name in the config.
        asks: The question, as people read it.
        test: Name of the test set.
        metric: Name of the metric.
        label: Of the metric, for people.
        highest: The best score by it.
        compared: Each system that the question is about, over what it is compared with; corrected together.
        methods: Names of the methods that it was compared with, of which the one that scores highest counts.
        gain: The mean over these comparisons; None where one of them has no value.
        interval: Lower and upper end of its interval, over samples and, where there are several, over seeds; the
            models are these.
        p: Two-sided p-value of no mean difference.
    """

    question: str
    asks: str
    test: str
    metric: str
    label: str
    highest: float
    compared: list[Comparison]
    methods: list[str]
    gain: float | None
    interval: list[float] | None
    p: float | None


@dataclass(frozen=True)
class Answers:
    """answers.json: what the runs of a study say to its questions.

    Attributes:
        seed: Of the resamples.
        level: Of the intervals.
        answers: In the order of the questions and test sets.
    """

    seed: int
    level: float
    answers: list[Answer]


def read_answers(path: str | Path) -> Answers:
    """Reads the answers of a study.

    Raises:
        StudyError: The file does not hold answers.
    """
    return read_as(path, Answers)
