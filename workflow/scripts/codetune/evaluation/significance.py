"""How sure the scores are: paired bootstrap over test samples, and p-values corrected for the number of comparisons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import Row, write_json
from codetune.base.plain import to_plain
from codetune.evaluation.bootstrap import LEVEL, Array, draw_resamples, percentile_interval
from codetune.evaluation.comparisons import Comparison, Comparisons, MetricFacts, Score
from codetune.evaluation.metric import statistics_of
from codetune.evaluation.registry import metrics
from codetune.evaluation.scored import read_statistics
from codetune.study.record import Record, by_system
from codetune.study.runs import NONE, System

CHUNK = 500  # resamples at once, to bound memory


@dataclass(frozen=True)
class Resampled:
    """A score and the same over resampled sets of samples.

    Attributes:
        score: Over the samples as they are, mean over seeds.
        seeds: The score of each seed.
        resamples: Over each resample; shape (resamples,).
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
    found = resample(_read_scores(systems, test), resamples, seed)
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


def _read_scores(systems: Mapping[System, list[Record]], test: str) -> dict[System, list[list[Row]]]:
    """The scored samples of each seed of each system."""
    expected: list[int] | None = None
    found: dict[System, list[list[Row]]] = {}
    for system, records in systems.items():
        for record in records:
            path = record.read_path("scores", test)
            rows = read_statistics(path)
            ids = [row["id"] for row in rows]
            expected = expected or ids
            if ids != expected:
                raise StudyError(f"{path}: not scored on the samples of the other runs. Delete it and run again.")
            found.setdefault(system, []).append(rows)
    return found


def resample(
    members: Mapping[System, list[list[Row]]], resamples: int, seed: int
) -> dict[str, dict[System, Resampled]]:
    """Bootstrap of every metric over the test samples, with the same resamples for all.

    Args:
        members: For each system the scored samples of each seed, all of the same samples.
        resamples: How many.
        seed: Of the resamples.

    Returns:
        For each metric and system the score and its resamples.
    """
    tables = {
        (name, system): [statistics_of(rows, name) for rows in seeds]
        for name in metrics()
        for system, seeds in members.items()
    }
    samples = len(next(iter(tables.values()))[0])
    generator = np.random.default_rng(seed)
    parts: dict[tuple[str, System], list[Array]] = {key: [] for key in tables}
    for start in range(0, resamples, CHUNK):
        weights = draw_resamples(generator, samples, min(CHUNK, resamples - start))
        for (name, system), seeds in tables.items():
            parts[name, system].append(np.mean([metrics()[name].score(weights @ table) for table in seeds], axis=0))
    found: dict[str, dict[System, Resampled]] = {name: {} for name in metrics()}
    for (name, system), seeds in tables.items():
        own = [float(metrics()[name].score(table.sum(axis=0, keepdims=True))[0]) for table in seeds]
        found[name][system] = Resampled(float(np.mean(own)), own, np.concatenate(parts[name, system]))
    return found


def p_value(differences: Array) -> float:
    """Two-sided bootstrap p-value of a difference: twice the smaller share of resamples on one side of zero."""
    values = differences[~np.isnan(differences)]
    smaller = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return float(min(1.0, 2 * (smaller + 1) / (len(values) + 1)))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that stay below a level hold together at that level."""
    corrected = [0.0] * len(values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = highest
    return corrected


def _score(system: System, metric: str, found: Resampled) -> Score:
    return Score(
        *system,
        metric=metric,
        score=found.score,
        interval=percentile_interval(found.resamples),
        seeds=found.seeds,
        deviation=float(np.std(found.seeds, ddof=1)) if len(found.seeds) > 1 else None,
    )


def _compare(
    pairs: Sequence[tuple[System, System]], metric: str, found: Mapping[System, Resampled]
) -> list[Comparison]:
    """The gain of each system over its baseline, for all pairs of system and baseline; corrected over these."""
    gains = [found[system].resamples - found[baseline].resamples for system, baseline in pairs]
    values = [p_value(differences) for differences in gains]
    return [
        Comparison(
            *system,
            baseline=baseline.method,
            metric=metric,
            gain=found[system].score - found[baseline].score,
            interval=percentile_interval(differences),
            p=p,
            p_holm=corrected,
        )
        for (system, baseline), differences, p, corrected in zip(pairs, gains, values, holm(values), strict=True)
    ]
