"""Comparisons of runs that never ran: their scores, with intervals that are made up."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codetune.base.files import write_json
from codetune.base.plain import to_plain
from codetune.evaluation.comparisons import Comparison, Comparisons, MetricFacts, SampleClass, Score
from codetune.evaluation.pairs import Pair, pairs_of
from codetune.study.record import Record
from codetune.study.records import by_system
from codetune.study.runs import NONE, System
from fake_records import DATA

METRICS = {
    "rouge_l": MetricFacts("ROUGE-L", "f1", 1.0),
    "bleu": MetricFacts("BLEU", "sacrebleu", 100.0),
}
ON_CODE = {
    f"{name}_on_code": MetricFacts(f"{one.label} on code", f"{one.signature}|text:code", one.highest)
    for name, one in METRICS.items()
}


def fake_comparisons(
    records: Sequence[Record], test: str = DATA, metrics: Mapping[str, MetricFacts] | None = None, **changes: Any
) -> Comparisons:
    """Comparisons of records with their own scores; every interval reaches a tenth of the scale to both sides,
    and a gain that is less is undecided. Scores are one hundredth less without what leaks.

    Args:
        records: The runs; those without the test set are left out.
        test: Name of the test set.
        metrics: Facts of metrics; those of `METRICS` and `ON_CODE` that the runs have unless told otherwise.
        changes: Fields to replace.
    """
    systems = by_system(record for record in records if test in record.tests)
    own = {name for seeds in systems.values() for name in seeds[0].tests[test].summary.scores}
    metrics = metrics or {name: facts for name, facts in (METRICS | ON_CODE).items() if name in own}
    scores = {
        (system, name): [record.tests[test].summary.scores[name] for record in seeds]
        for name in metrics
        for system, seeds in systems.items()
    }
    comparisons = Comparisons(
        test=test,
        resamples=100,
        seed=0,
        level=0.95,
        metrics=dict(metrics),
        scores=[
            Score(
                *system,
                metric=name,
                score=_mean(seeds),
                interval=_around(_mean(seeds), metrics[name]),
                seeds=seeds,
                deviation=statistics.stdev(seeds) if len(seeds) > 1 and None not in seeds else None,
                without_leaked=None if (mean := _mean(seeds)) is None else 0.99 * mean,
            )
            for (system, name), seeds in scores.items()
        ],
        comparisons=[
            _compare(system, baseline, _baselines(system, systems), name, metrics[name], scores)
            for system, name in scores
            for baseline in _baselines(system, systems)
        ],
    )
    trained = [system for system, seeds in systems.items() if seeds[0].trains]
    pairs = pairs_of({system: seeds[0].method.baselines for system, seeds in systems.items()}, trained)
    gains = [replace(one, p=None, p_holm=None) for one in comparisons.comparisons]
    parts = next(iter(systems.values()))[0].tests[test].summary
    for kind, members in (("language", parts.by_language), ("length", parts.by_length)):
        for part, found in members.items():
            counts = dict.fromkeys(metrics, found.samples)
            here = SampleClass(kind, part, {part: found.samples}, found.samples, counts, comparisons.scores, gains)
            comparisons.classes.append(here)
    comparisons.comparisons.extend(_pair(pair, name, metrics[name], scores) for name in metrics for pair in pairs)
    return replace(comparisons, **changes)


def write_fake_comparisons(comparisons: Comparisons, folder: str | Path) -> str:
    """Writes the file and returns its path."""
    path = Path(folder, "comparisons", f"{comparisons.test}.json")
    write_json(path, to_plain(comparisons))
    return str(path)


def _mean(seeds: Sequence[float | None]) -> float | None:
    known = [score for score in seeds if score is not None]
    return statistics.fmean(known) if len(known) == len(seeds) else None


def _around(value: float | None, facts: MetricFacts) -> list[float] | None:
    return None if value is None else [value - 0.1 * facts.highest, value + 0.1 * facts.highest]


def _baselines(system: System, systems: Mapping[System, Sequence[Record]]) -> list[System]:
    names = systems[system][0].method.baselines
    found = [System(data, system.model, name) for name in names for data in (NONE, system.data)]
    return [one for one in found if one in systems]


def _pair(
    pair: Pair, metric: str, facts: MetricFacts, scores: Mapping[tuple[System, str], Sequence[float | None]]
) -> Comparison:
    one, other = scores[pair.system, metric], scores[pair.over, metric]
    ours, theirs = _mean(one), _mean(other)
    gain = None if ours is None or theirs is None else ours - theirs
    p = None if gain is None else 0.01 if abs(gain) > 0.1 * facts.highest else 0.2
    p_holm = None if p is None else 2 * p
    return Comparison("pair", *pair, metric, gain, _around(gain, facts), p, p_holm, len(one), len(other))


def _compare(
    system: System,
    baseline: System,
    baselines: Sequence[System],
    metric: str,
    facts: MetricFacts,
    scores: Mapping[tuple[System, str], Sequence[float | None]],
) -> Comparison:
    ours, theirs = _mean(scores[system, metric]), _mean(scores[baseline, metric])
    best = max(baselines, key=lambda one: _mean(scores[one, metric]) or 0.0)
    gain = None if ours is None or theirs is None else ours - theirs
    interval = _around(gain, facts)
    family = "gain" if baseline == best else "other gain"
    p, p_holm = (
        (None, None) if gain is None or family != "gain" else (0.2, 0.4) if _holds_zero(interval) else (0.02, 0.04)
    )
    return Comparison(family, system, baseline, metric, gain, interval, p, p_holm)


def _holds_zero(interval: list[float] | None) -> bool:
    return interval is not None and interval[0] <= 0 <= interval[1]
