"""How sure the scores are: paired bootstrap over test samples, and p-values corrected for the number of comparisons."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import finite_or_none, write_json
from codetune.base.plain import read_as, to_plain
from codetune.base.progress import counted, doing
from codetune.evaluation.bootstrap import Array, Resamples
from codetune.evaluation.by_class import measure_classes
from codetune.evaluation.comparisons import Comparison, Comparisons, Family, MetricFacts, Score
from codetune.evaluation.distribution import LEVEL
from codetune.evaluation.measured import Measured, compare_two, measure, score_of
from codetune.evaluation.measures import metrics_of
from codetune.evaluation.metric import ON_CODE, Metric
from codetune.evaluation.pairs import Pair, count_resamples, gains_of, pairs_of
from codetune.evaluation.scored import Statistics, read_statistics
from codetune.study.leaks import LeakFacts
from codetune.study.record import Record
from codetune.study.records import by_system
from codetune.study.runs import System

OfMetric = TypeVar("OfMetric", Score, Comparison)


def measure_significance(
    records: Iterable[Record], test: str, leaks: Iterable[str], headline: str, resamples: int, seed: int, target: str
) -> None:
    """Writes the score of every system by every metric, its gain over each baseline of its method, and all pairs.

    Beside each score stands that without the test samples that leak from the training data of any of the systems: so
    all of these are of the same samples, too, untuned systems' among them.

    All runs share the resamples, so that differences are paired. Metrics are taken one after the other, so that the
    resampled scores of one metric, as written and on code, are in memory at a time. By the headline metric, scores and
    gains are also measured in classes of the samples.

    Args:
        records: Records of all runs that are evaluated on the test set.
        test: Name of the test set.
        leaks: Paths of the facts of what leaks of it from the training data of these runs.
        headline: Name of the headline metric.
        resamples: Number of bootstrap resamples, at least; a large family of comparisons has more.
        seed: Of the resamples.
        target: JSON to write, in the form of `Comparisons`.

    Raises:
        StudyError: The runs were not scored on the same samples, or not with as many candidates.
    """
    systems = by_system(records)
    baselines = {system: of[0].method.baselines for system, of in systems.items()}
    trained = {system for system, of in systems.items() if of[0].trains}
    gains, pairs = gains_of(baselines), pairs_of(baselines, trained)
    number = count_resamples(baselines, trained, resamples)
    statistics, ids = _read_all(systems, test)
    known = _metrics_of_all(statistics, test)
    leaked = sorted({number for path in leaks for number in read_as(path, LeakFacts).ids})
    rest = [place for place, number in enumerate(ids) if number not in set(leaked)]
    with doing(f"drawing {number:,} resamples"):
        shared = Resamples(len(ids), number, seed)
    scores, comparisons = list[Score](), list[Comparison]()
    for name, metric, found in _measure_all(known, statistics, shared):
        scores += [
            replace(score_of(system, name, one, metric, seed), without_leaked=_score_at(rest, one.tables, metric))
            for system, one in found.items()
        ]
        comparisons += compare_gains(gains, name, metric, found, seed) + compare_pairs(pairs, name, metric, found, seed)
        del found  # before those of the next metric come
    facts = {name: MetricFacts(one.label, one.signature, one.highest) for name, one in known.items()}
    classes = measure_classes(headline, statistics, comparisons, shared, resamples)
    rows = _in_order(scores, known), _in_order(comparisons, known)
    write_json(target, to_plain(Comparisons(test, number, seed, LEVEL, facts, *rows, classes, leaked)))


def _in_order(rows: Iterable[OfMetric], names: Iterable[str]) -> list[OfMetric]:
    """What is of some metrics, in the order of these."""
    order = list(names)
    return sorted(rows, key=lambda one: order.index(one.metric))


def _measure_all(
    known: Mapping[str, Metric], statistics: Mapping[System, list[Statistics]], resamples: Resamples
) -> Iterator[tuple[str, Metric, dict[System, Measured]]]:
    """All systems by each metric, one metric after the other."""
    found: dict[System, Measured] = {}
    for name in counted(_with_forms_together(known), "intervals and comparisons", "metrics"):
        tables = {system: [one.tables[name] for one in seeds] for system, seeds in statistics.items()}
        if not name.endswith(ON_CODE):
            found = {}
        found = measure(known[name], tables, resamples, as_written=found)
        yield name, known[name], found


def _with_forms_together(names: Iterable[str]) -> list[str]:
    """Metrics as they are measured: each that is given the code in a prediction right after that of the whole text."""
    order = [name for name in names if not name.endswith(ON_CODE)]
    return sorted(names, key=lambda name: (order.index(name.removesuffix(ON_CODE)), name))


def _score_at(places: Sequence[int], tables: Iterable[Array], metric: Metric) -> float | None:
    """The mean over seeds of the score of the samples at some places; None where the metric applies to none of them."""
    sums = [table[places].sum(axis=0, keepdims=True, dtype=np.float64) for table in tables]
    return finite_or_none(float(np.mean([metric.score(one)[0] for one in sums])))


def _read_all(systems: Mapping[System, list[Record]], test: str) -> tuple[dict[System, list[Statistics]], list[int]]:
    """The statistics of all runs, and the ids of the samples, which all of them have to have."""
    ids: list[int] = []
    return {system: [_read_statistics(record, test, ids) for record in of] for system, of in systems.items()}, ids


def _read_statistics(record: Record, test: str, expected: list[int]) -> Statistics:
    """The statistics of one run; its samples are put where none are expected yet."""
    path = record.read_path("scores", test)
    found = read_statistics(path)
    expected += found.ids if not expected else []
    if found.ids != expected:
        raise StudyError(f"{path}: not scored on the samples of the other runs. Delete it and run again.")
    return found


def _metrics_of_all(statistics: Mapping[System, list[Statistics]], test: str) -> dict[str, Metric]:
    """The metrics by which all runs are scored."""
    found = {one.measures for seeds in statistics.values() for one in seeds}
    if len({one.candidates for one in found}) > 1:
        numbers = " and ".join(map(str, sorted({one.candidates for one in found})))
        raise StudyError(f"scores on {test} are of {numbers} candidates per prompt. Delete the scores and run again.")
    if len({one.executed for one in found}) > 1:
        raise StudyError(f"only some scores on {test} are by its unit tests. Delete the scores and run again.")
    return metrics_of(max(found))  # a retrieval, beside draws, has none


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction: p-values that stay below a level hold together at that level.

    A comparison without a p-value stays without, and the others are not corrected for it.
    """
    known = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (value, index) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        corrected[index] = highest
    return corrected


def compare_gains(
    gains: Sequence[Pair], name: str, metric: Metric, found: Mapping[System, Measured], seed: int
) -> list[Comparison]:
    """Compares each system with each of its baselines; the gains over the better one are corrected together.

    The better baseline is the one with the higher score by this metric, of equal ones the first.

    Args:
        gains: Each system with each of its baselines.
        name: Name of the metric.
        metric: The metric.
        found: Every system by this metric.
        seed: Of what is drawn beside the resamples.
    """
    best: dict[System, System] = {}
    for system, baseline in gains:
        best[system] = max(best.get(system, baseline), baseline, key=lambda one: order_of(found[one].estimate.value))
    families: list[Family] = ["gain" if best[pair.system] == pair.over else "other gain" for pair in gains]
    compared = zip(families, gains, strict=True)
    return corrected([compare_two(family, pair, name, metric, found, seed) for family, pair in compared])


def compare_pairs(
    pairs: Sequence[Pair], name: str, metric: Metric, found: Mapping[System, Measured], seed: int
) -> list[Comparison]:
    """Compares the systems of each pair, all of which are corrected together; arguments as of `compare_gains`."""
    return corrected([compare_two("pair", pair, name, metric, found, seed) for pair in pairs])


def order_of(score: float) -> float:
    """Sorts scores: one without a value comes first."""
    return -math.inf if math.isnan(score) else score


def corrected(family: Sequence[Comparison]) -> list[Comparison]:
    """Corrects comparisons for their number, by Holm."""
    values = holm([one.p for one in family])
    return [replace(one, p_holm=value) for one, value in zip(family, values, strict=True)]
