"""How sure the scores are: paired bootstrap over test samples, and p-values corrected for the number of models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import read_jsonl, write_json
from codetune.evaluation.bootstrap import LEVEL, Array, draw_resamples, interval
from codetune.evaluation.registry import metrics
from codetune.evaluation.score import statistics_of

Key = tuple[str, str, str]  # dataset, model, method


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

    def interval(self) -> list[float]:
        """The percentile interval at `LEVEL`."""
        return interval(self.resamples)


def measure_significance(
    runs: list[dict[str, Any]], scores: Sequence[str], untuned: Sequence[str], resamples: int, seed: int, target: str
) -> None:
    """Writes every metric's score of every (dataset, model, method) with its interval, and every gain over the untuned.

    All runs on one data set share the resamples, so that differences are paired.

    Args:
        runs: The study's runs.
        scores: Path of the scores of each run.
        untuned: Names of the methods without training.
        resamples: Number of bootstrap resamples.
        seed: Of the resamples.
        target: JSON to write: `scores` and `gains`, one entry a (dataset, model, method, metric), and `metrics`.

    Raises:
        StudyError: The runs on one data set were not scored on the same samples.
    """
    groups: dict[Key, list[str]] = {}
    for run, path in zip(runs, scores, strict=True):
        groups.setdefault((run["dataset"], run["model"], run["method"]), []).append(path)
    results: dict[str, list[dict[str, Any]]] = {"scores": [], "gains": []}
    for dataset in dict.fromkeys(key[0] for key in groups):
        members = {key: [read_jsonl(path) for path in paths] for key, paths in groups.items() if key[0] == dataset}
        _check_same_samples(members, groups)
        for name, found in resample(members, resamples, seed).items():
            results["scores"] += [_describe_score(key, name, one) for key, one in found.items()]
            results["gains"] += _gains(found, name, untuned)
    described = {
        name: {"label": metric.label, "signature": metric.signature, "highest": metric.highest}
        for name, metric in metrics().items()
    }
    write_json(target, {"resamples": resamples, "seed": seed, "level": LEVEL, "metrics": described, **results})


def _check_same_samples(members: dict[Key, list[list[dict[str, Any]]]], paths: dict[Key, list[str]]) -> None:
    expected: list[int] | None = None
    for key, seeds in members.items():
        for path, rows in zip(paths[key], seeds, strict=True):
            ids = [row["id"] for row in rows]
            expected = expected or ids
            if ids != expected:
                raise StudyError(f"{path}: not scored on the samples of the other runs. Delete it and run again.")


def resample(
    members: dict[Key, list[list[dict[str, Any]]]], resamples: int, seed: int
) -> dict[str, dict[Key, Resampled]]:
    """Bootstrap of every metric over the test samples, with the same resamples for all.

    Args:
        members: For each key the scored samples of each seed, all of the same samples.
        resamples: How many.
        seed: Of the resamples.

    Returns:
        For each metric and key the score and its resamples.
    """
    tables = {
        (name, key): [statistics_of(rows, name) for rows in seeds]
        for name in metrics()
        for key, seeds in members.items()
    }
    samples = len(next(iter(tables.values()))[0])
    generator = np.random.default_rng(seed)
    parts: dict[tuple[str, Key], list[Array]] = {key: [] for key in tables}
    for start in range(0, resamples, CHUNK):
        weights = draw_resamples(generator, samples, min(CHUNK, resamples - start))
        for (name, key), seeds in tables.items():
            parts[name, key].append(np.mean([metrics()[name].score(weights @ table) for table in seeds], axis=0))
    found: dict[str, dict[Key, Resampled]] = {name: {} for name in metrics()}
    for (name, key), seeds in tables.items():
        own = [float(metrics()[name].score(table.sum(axis=0, keepdims=True))[0]) for table in seeds]
        found[name][key] = Resampled(float(np.mean(own)), own, np.concatenate(parts[name, key]))
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


def _describe_score(key: Key, name: str, found: Resampled) -> dict[str, Any]:
    return {
        **dict(zip(("dataset", "model", "method"), key, strict=True)),
        "metric": name,
        "score": found.score,
        "interval": found.interval(),
        "seeds": found.seeds,
        "deviation": float(np.std(found.seeds, ddof=1)) if len(found.seeds) > 1 else None,
    }


def _gains(found: dict[Key, Resampled], name: str, untuned: Sequence[str]) -> list[dict[str, Any]]:
    """Tuned less untuned, for each tuned model that has an untuned self; corrected over these."""
    bases = {key[:2]: one for key, one in found.items() if key[2] in untuned}
    tuned = {key: one for key, one in found.items() if key[2] not in untuned and key[:2] in bases}
    gains = {key: one.resamples - bases[key[:2]].resamples for key, one in tuned.items()}
    values = [p_value(differences) for differences in gains.values()]
    return [
        {
            **dict(zip(("dataset", "model", "method"), key, strict=True)),
            "metric": name,
            "gain": tuned[key].score - bases[key[:2]].score,
            "interval": interval(differences),
            "p": p,
            "p_holm": corrected,
        }
        for (key, differences), p, corrected in zip(gains.items(), values, holm(values), strict=True)
    ]
