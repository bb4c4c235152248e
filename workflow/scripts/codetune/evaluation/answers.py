"""Rule answers: what the runs of a study say to its questions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import finite_or_none, write_json
from codetune.base.plain import to_plain
from codetune.evaluation.answered import Answer, Answers
from codetune.evaluation.bootstrap import Resamples
from codetune.evaluation.distribution import LEVEL, distribution_of, interval_of_gain, p_value
from codetune.evaluation.estimate import Estimate, difference, no_difference
from codetune.evaluation.measured import Measured, compare_two, find_differing, measure
from codetune.evaluation.measures import metrics_of
from codetune.evaluation.metric import Metric
from codetune.evaluation.pairs import RESAMPLES_PER_COMPARISON, Pair
from codetune.evaluation.scored import Statistics, read_statistics
from codetune.evaluation.significance import corrected, order_of
from codetune.study.question import Question
from codetune.study.record import Record
from codetune.study.records import by_system
from codetune.study.runs import System


class Bootstrap(NamedTuple):
    """How differences are resampled.

    Attributes:
        resamples: Number of resamples, at least; many comparisons have more.
        seed: What they are drawn from.
    """

    resamples: int
    seed: int


def answer_questions(
    records: Sequence[Record], questions: Iterable[Question], headline: str, bootstrap: Bootstrap, target: str
) -> None:
    """Writes for each question and test set the gain of each system that it is about, and their mean.

    All systems on a test set share the resamples, so that differences are paired.

    Args:
        records: Records of all runs.
        questions: The questions.
        headline: Name of the metric of a question that names none.
        bootstrap: How differences are resampled.
        target: JSON to write, in the form of `Answers`.

    Raises:
        StudyError: A test set has no such metric, or its runs were not scored on the same samples.
    """
    asked = [question if question.metric else replace(question, metric=headline) for question in questions]
    tests = dict.fromkeys(test for record in records for test in record.tests)
    answers = []
    for question in asked:
        for test in tests if question.tests is None else question.tests:
            systems = by_system(record for record in records if test in record.tests)
            if sides := question.sides_of(list(systems)):
                used = [*sides, *(other for others in sides.values() for other in others)]
                statistics = {one: [_read(record, test) for record in systems[one]] for one in dict.fromkeys(used)}
                answers.append(_answer(question, test, sides, statistics, bootstrap))
    write_json(target, to_plain(Answers(bootstrap.seed, LEVEL, answers)))


def _read(record: Record, test: str) -> Statistics:
    return read_statistics(record.read_path("scores", test))


def _answer(
    question: Question,
    test: str,
    sides: Mapping[System, Sequence[System]],
    statistics: Mapping[System, Sequence[Statistics]],
    bootstrap: Bootstrap,
) -> Answer:
    """The answer on one test set.

    Args:
        question: The question, with a metric.
        test: Name of the test set.
        sides: Each system that it is about with those that it may be compared with.
        statistics: Those of each seed of these systems.
        bootstrap: How differences are resampled.
    """
    name, seed = str(question.metric), bootstrap.seed
    metric = _metric_of(statistics, question, test)
    samples = len(next(iter(statistics.values()))[0].ids)
    shared = Resamples(samples, max(bootstrap.resamples, RESAMPLES_PER_COMPARISON * len(sides)), seed)
    found = measure(metric, {system: [one.tables[name] for one in of] for system, of in statistics.items()}, shared)
    pairs = [
        Pair(system, max(others, key=lambda one: order_of(found[one].estimate.value)))
        for system, others in sides.items()
    ]
    gain, differing = _mean_gain(pairs, found)
    distribution = distribution_of(gain, seed)
    return Answer(
        question=question.name,
        asks=question.asks,
        test=test,
        metric=name,
        label=metric.label,
        highest=metric.highest,
        compared=corrected([compare_two("pair", pair, name, metric, found, seed) for pair in pairs]),
        methods=list(dict.fromkeys(other.method for others in sides.values() for other in others)),
        gain=finite_or_none(gain.value),
        interval=interval_of_gain(gain, distribution, differing, metric.highest),
        p=p_value(gain.value, distribution, differing),
    )


def _metric_of(statistics: Mapping[System, Sequence[Statistics]], question: Question, test: str) -> Metric:
    """The metric of a question, by which all of these runs were scored on the same samples."""
    runs = [one for seeds in statistics.values() for one in seeds]
    if any(one.ids != runs[0].ids for one in runs):
        raise StudyError(f"scores on {test} are of different samples. Delete the scores and run again.")
    known = set.intersection(*(set(one.tables) for one in runs))
    if question.metric not in known:
        raise StudyError(
            f"config: questions.{question.name}.metric: not all scores on {test} have a {question.metric}; "
            f"what they have is {', '.join(sorted(known))}. Name one of these, or other `tests`."
        )
    return metrics_of(max(one.measures for one in runs))[question.metric]


def _mean_gain(pairs: Sequence[Pair], found: Mapping[System, Measured]) -> tuple[Estimate, int]:
    """The mean gain of some pairs, and the number of samples on which the systems of one of them differ."""
    measured = [(found[pair.system], found[pair.over]) for pair in pairs]
    differing = int(np.any([find_differing(one, other) for one, other in measured], axis=0).sum())
    gained = mean_of([pair.system for pair in pairs], found)
    if not differing:
        return no_difference(gained), 0
    gain = difference(gained, mean_of([pair.over for pair in pairs], found))
    return gain, min(differing, gain.samples)


def mean_of(systems: Sequence[System], found: Mapping[System, Measured]) -> Estimate:
    """Returns the mean score of some systems, whose seeds have nothing in common.

    Its variance over seeds has the degrees of freedom of Welch (1947) and Satterthwaite (1946).

    Args:
        systems: The systems; one that is named twice counts twice.
        found: Every system.
    """
    shares = [(found[system].estimate, count / len(systems)) for system, count in Counter(systems).items()]
    parts = [(share**2 * one.seed_variance, one.freedom) for one, share in shares]
    variance = sum(part for part, _ in parts)
    squares = sum(part**2 / freedom for part, freedom in parts)
    return Estimate(
        value=sum(share * one.value for one, share in shares),
        resamples=np.sum([share * one.resamples for one, share in shares], axis=0),
        samples=min(one.samples for one, _ in shares),
        seed_variance=variance,
        shared_variance=sum(share**2 * one.shared_variance for one, share in shares),
        freedom=variance**2 / squares if squares > 0 else 1.0,
    )
