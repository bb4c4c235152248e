"""How sure the scores are: paired bootstrap over test samples, and p-values corrected for the number of comparisons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import finite_or_none, write_json
from codetune.base.plain import to_plain
from codetune.evaluation.bootstrap import LEVEL, Array, Resamples, percentile_interval
from codetune.evaluation.comparisons import Comparison, Comparisons, MetricFacts, Score
from codetune.evaluation.registry import metrics
from codetune.evaluation.scored import Statistics, read_statistics
from codetune.study.record import Record, by_system
from codetune.study.runs import NONE, System


@dataclass(frozen=True)
class Resampled:
    """A score and the same over resampled sets of samples.

    Attributes:
        score: Over the samples as they are, mean over seeds; NaN where the metric applies to none of them.
        seeds: The score of each seed.
        resamples: Over each resample; shape (resamples,); NaN where the metric applies to none of its samples.
    """

    score: float
    seeds: list[float]
    resamples: Array


def measure_significance(records: Iterable[Record], test: str, resamples: int, seed: int, target: str) -> None:
    """Writes the score of every system by every metric, and its gain over each baseline of its method.

    All runs share the resamples, so that differences are paired.

    Args:
        records: Records of all runs that are evaluated on the test set.
        test: Name of the test set.
        resamples: Number of bootstrap resamples.
        seed: Of the resamples.
        target: JSON to write, in the form of `Comparisons`.

    Raises:
        StudyError: The runs were not scored on the same samples.
    """
    systems = by_system(records)
    pairs = [(system, baseline) for system in systems for baseline in _baselines_of(system, systems)]
    ids: list[int] = []  # of the first run's samples, which all others have to have
    members = {
        system: (_read_statistics(record, test, ids) for record in records) for system, records in systems.items()
    }
    found = resample(members, resamples, seed)
    comparisons = Comparisons(
        test=test,
        resamples=resamples,
        seed=seed,
        level=LEVEL,
        metrics={name: MetricFacts(one.label, one.signature, one.highest) for name, one in metrics().items()},
        scores=[_score(system, name, one) for name, of in found.items() for system, one in of.items()],
        comparisons=[one for name, of in found.items() for one in _compare(pairs, name, of)],
    )
    write_json(target, to_plain(comparisons))


def _baselines_of(system: System, systems: Mapping[System, list[Record]]) -> list[System]:
    """The systems that a gain is measured over: of the same model, without training data or with the same."""
    return [
        other
        for name in systems[system][0].method.baselines
        for other in systems
        if (other.model, other.method) == (system.model, name) and other.data in (NONE, system.data)
    ]


def _read_statistics(record: Record, test: str, expected: list[int]) -> Statistics:
    """The statistics of one run; its samples are put where none are expected yet."""
    path = record.read_path("scores", test)
    found = read_statistics(path)
    expected += found.ids if not expected else []
    if found.ids != expected:
        raise StudyError(f"{path}: not scored on the samples of the other runs. Delete it and run again.")
    return found


def resample(
    members: Mapping[System, Iterable[Statistics]], resamples: int, seed: int
) -> dict[str, dict[System, Resampled]]:
    """Bootstrap of every metric over the test samples, with the same resamples for all.

    Args:
        members: For each system the statistics of each seed, all of the same samples. They are taken one after the
            other, so that those of one run are in memory at a time.
        resamples: How many.
        seed: Of the resamples.

    Returns:
        For each metric and system the score and its resamples.
    """
    shared: Resamples | None = None
    found: dict[str, dict[System, Resampled]] = {name: {} for name in metrics()}
    for system, seeds in members.items():
        own: dict[str, list[float]] = {name: [] for name in metrics()}
        resampled: dict[str, list[Array]] = {name: [] for name in metrics()}
        for statistics in seeds:
            shared = shared or Resamples(len(statistics.ids), resamples, seed)
            for name, (score, scores) in _resample_one(statistics, shared).items():
                own[name].append(score)
                resampled[name].append(scores)
        for name, of_seeds in own.items():
            found[name][system] = Resampled(float(np.mean(of_seeds)), of_seeds, np.mean(resampled[name], axis=0))
    return found


def _resample_one(statistics: Statistics, shared: Resamples) -> dict[str, tuple[float, Array]]:
    """The score of one run by each metric, over its samples and over each resample."""
    parts: dict[str, list[Array]] = {name: [] for name in metrics()}
    for weights in shared.chunks():
        for name, metric in metrics().items():
            parts[name].append(metric.score(weights @ statistics.tables[name]))
    return {
        name: (float(metric.score(statistics.tables[name].sum(axis=0, keepdims=True))[0]), np.concatenate(parts[name]))
        for name, metric in metrics().items()
    }


def p_value(differences: Array) -> float | None:
    """Two-sided bootstrap p-value of a difference: twice the smaller share of resamples on one side of zero.

    Returns:
        The p-value; None if the difference is defined in no resample.
    """
    values = differences[~np.isnan(differences)]
    if not len(values):
        return None
    smaller = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return float(min(1.0, 2 * (smaller + 1) / (len(values) + 1)))


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


def _score(system: System, metric: str, found: Resampled) -> Score:
    return Score(
        *system,
        metric=metric,
        score=finite_or_none(found.score),
        interval=percentile_interval(found.resamples),
        seeds=[finite_or_none(score) for score in found.seeds],
        deviation=finite_or_none(float(np.std(found.seeds, ddof=1))) if len(found.seeds) > 1 else None,
    )


def _compare(
    pairs: Sequence[tuple[System, System]], metric: str, found: Mapping[System, Resampled]
) -> list[Comparison]:
    """The gain of each system over each of its baselines; those over the better one are corrected together."""
    best: dict[System, System] = {}
    for system, baseline in pairs:
        first = best.setdefault(system, baseline)
        best[system] = max(first, baseline, key=lambda one: found[one].score)
    gains = {pair: found[pair[0]].resamples - found[pair[1]].resamples for pair in pairs}
    leading = [pair for pair in pairs if best[pair[0]] == pair[1]]
    values = {pair: p_value(gains[pair]) for pair in leading}
    corrected = dict(zip(leading, holm(list(values.values())), strict=True))
    return [
        Comparison(
            family="gain" if (system, baseline) in values else "other gain",
            system=system,
            over=baseline,
            metric=metric,
            gain=finite_or_none(found[system].score - found[baseline].score),
            interval=percentile_interval(gains[system, baseline]),
            p=values.get((system, baseline)),
            p_holm=corrected.get((system, baseline)),
        )
        for system, baseline in pairs
    ]
