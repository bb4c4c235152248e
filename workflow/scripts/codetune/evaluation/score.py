"""The scores of one run's predictions: of each sample, of all, and by language and length."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_json, write_jsonl
from codetune.base.plain import from_plain, to_plain
from codetune.data.languages import guess_language
from codetune.data.predictions import read_predictions
from codetune.data.samples import Sample, read_samples
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.registry import metrics
from codetune.study.facts import ScoredPart, SplitFacts, Summary

LENGTHS = (("up to 50", 50), ("51 to 150", 150), ("151 to 400", 400), ("over 400", None))  # characters of the reference


def score_predictions(references: str, split: str, predictions: str, scores: str, summary: str) -> None:
    """Scores each prediction against its reference by every metric; writes one row per sample and a summary.

    Args:
        references: The samples, JSON lines.
        split: The facts of the split, which name the test samples with a near-duplicate in another part.
        predictions: The predictions, JSON lines.
        scores: JSON lines to write: id, language, length of the reference, each metric's score of the sample alone
            (null where it does not apply), and `statistics`, from which scores of sets of samples follow.
        summary: JSON to write: scores of all samples, of those without a near-duplicate in another part, and by
            language and length of the reference.

    Raises:
        StudyError: Predictions and references are not of the same samples.
    """
    samples = {sample.id: sample for sample in read_samples(references)}
    completed = read_predictions(predictions)
    if [prediction.id for prediction in completed] != list(samples):
        raise StudyError(f"{predictions}: not the samples of {references}. Delete the predictions and run again.")
    texts = [prediction.first.text for prediction in completed]
    scored = score_each(list(samples.values()), texts)
    write_jsonl(scores, scored)
    leaked = set(from_plain(read_json(split), SplitFacts, split).near_duplicates.leaked)
    clean = [row for row in scored if row["id"] not in leaked]
    found = Summary(
        samples=len(completed),
        scores=scores_of(scored),
        signatures={name: metric.signature for name, metric in metrics().items()},
        truncated=sum(prediction.first.truncated for prediction in completed) / len(completed),
        empty=sum(not text for text in texts) / len(texts),
        length_ratio=sum(map(len, texts)) / sum(len(sample.output) for sample in samples.values()),
        leaked=len(scored) - len(clean),
        scores_without_leaked=scores_of(clean) if clean else None,
        by_language=_breakdown(scored, (row["language"] for row in scored)),
        by_length=_breakdown(scored, (length_class(row["length"]) for row in scored)),
    )
    write_json(summary, to_plain(found))


def score_each(samples: list[Sample], texts: list[str]) -> list[dict[str, Any]]:
    """The scores and statistics of each sample by all metrics; one row per sample."""
    languages = [guess_language(sample.request, sample.output) for sample in samples]
    statistics = [
        {name: metric.measure(*measured) for name, metric in metrics().items()}
        for measured in zip(samples, texts, languages, strict=True)
    ]
    alone = {name: metric.score(np.array([row[name] for row in statistics])) for name, metric in metrics().items()}
    return [
        {
            "id": sample.id,
            "language": languages[place],
            "length": len(sample.output),
            **{name: _score_or_none(scores[place]) for name, scores in alone.items()},
            "statistics": statistics[place],
        }
        for place, sample in enumerate(samples)
    ]


def scores_of(scored: list[dict[str, Any]]) -> dict[str, float | None]:
    """Score of a set of scored samples by each metric; None where it applies to none of them."""
    return {
        name: _score_or_none(metric.score(statistics_of(scored, name).sum(axis=0, keepdims=True))[0])
        for name, metric in metrics().items()
    }


def statistics_of(scored: list[dict[str, Any]], name: str) -> Array:
    """Statistics of one metric; shape (samples, statistics)."""
    return np.array([row["statistics"][name] for row in scored])


def length_class(length: int) -> str:
    """The class of a reference of so many characters."""
    return next(name for name, highest in LENGTHS if highest is None or length <= highest)


def _breakdown(scored: list[dict[str, Any]], keys: Iterable[str]) -> dict[str, ScoredPart]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row, key in zip(scored, keys, strict=True):
        groups.setdefault(key, []).append(row)
    order = sorted(groups, key=lambda key: (-len(groups[key]), key))
    return {key: ScoredPart(len(groups[key]), scores_of(groups[key])) for key in order}


def _score_or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
