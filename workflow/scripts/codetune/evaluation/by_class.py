"""The scores and gains in each class of test samples, with paired intervals.

The resamples are those of all samples, of which a class takes its own. There are no p-values and no verdicts: they
would be some hundred more comparisons to correct for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from codetune.base.progress import counted
from codetune.evaluation.bootstrap import Array, Resamples
from codetune.evaluation.classes import Division, divide_by_language, divide_by_length
from codetune.evaluation.comparisons import Comparison, SampleClass, Score
from codetune.evaluation.measured import Measured, compare_two, measure, score_of
from codetune.evaluation.metric import ON_CODE
from codetune.evaluation.pairs import Pair
from codetune.evaluation.registry import metrics
from codetune.evaluation.scored import Statistics
from codetune.study.runs import System


def measure_classes(
    metric: str,
    statistics: Mapping[System, Sequence[Statistics]],
    comparisons: Sequence[Comparison],
    resamples: Resamples,
    number: int,
) -> list[SampleClass]:
    """Scores every class of the samples by the headline metric, as written and on code, and measures the gains in it.

    Args:
        metric: Name of the headline metric.
        statistics: Of each system's seeds.
        comparisons: Of all samples; which of a system's baselines is the better one is decided there.
        resamples: Of all samples.
        number: How many of them are used.

    Returns:
        The classes by language and then those by length of the reference, each in its order.
    """
    first = next(iter(statistics.values()))[0]
    names = [name for name in (metric, metric + ON_CODE) if name in metrics()]
    gains = [one for one in comparisons if one.family != "pair" and one.metric in names]
    divided: dict[Literal["language", "length"], list[Division]] = {
        "language": divide_by_language(first.languages),
        "length": divide_by_length(first.lengths),
    }
    divisions = [(kind, division) for kind, of_kind in divided.items() for division in of_kind]
    return [
        _measure_class(kind, division, names, statistics, gains, resamples.within(division.places, number))
        for kind, division in counted(divisions, "gains in classes of samples", "classes")
    ]


def _measure_class(
    kind: Literal["language", "length"],
    division: Division,
    names: Sequence[str],
    statistics: Mapping[System, Sequence[Statistics]],
    gains: Sequence[Comparison],
    resamples: Resamples,
) -> SampleClass:
    """Scores and gains in one class."""
    seed = resamples.seed
    measured: dict[str, int] = {}
    scores: list[Score] = []
    found_gains: list[Comparison] = []
    found: dict[System, Measured] = {}
    for name in names:
        tables: dict[System, list[Array]] = {
            system: [one.tables[name][division.places] for one in seeds] for system, seeds in statistics.items()
        }
        if not name.endswith(ON_CODE):
            found = {}  # before those of the next metric come
        found = measure(metrics()[name], tables, resamples, as_written=found)
        measured[name] = min(one.estimate.samples for one in found.values())
        scores += [score_of(system, name, one, metrics()[name], seed) for system, one in found.items()]
        for one in gains:
            if one.metric == name:
                pair = Pair(one.system, one.over)
                gain = compare_two(one.family, pair, name, metrics()[name], found, seed)
                found_gains.append(replace(gain, p=None))
    samples = len(division.places)
    return SampleClass(kind, division.name, division.members, samples, measured, scores, found_gains)
