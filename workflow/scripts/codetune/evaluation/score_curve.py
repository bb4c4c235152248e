"""Rule score_curve: the scores of a training's checkpoints."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import Row, finite_or_none, write_json
from codetune.base.plain import to_plain
from codetune.base.progress import counted
from codetune.data.predictions import Prediction, read_curve_predictions
from codetune.data.samples import Sample, read_part
from codetune.evaluation.bootstrap import Array, Resamples, in_few_bytes
from codetune.evaluation.distribution import distribution_of, interval_of_gain, interval_of_score
from codetune.evaluation.estimate import (
    Estimate,
    count_measured,
    difference,
    estimate_score,
    no_difference,
    resample_scores,
)
from codetune.evaluation.metric import ON_CODE, Metric, statistics_of
from codetune.evaluation.registry import metrics, on_code
from codetune.evaluation.score import measure_each
from codetune.study.curve import Curve, CurvePoint, CurveScore

RESAMPLES, RESAMPLES_SEED = 10_000, 0  # of the bands; the same resamples for all models and checkpoints


def score_curve(predictions: str, samples: str, split: str, target: str) -> None:
    """Scores the untuned model and each kept checkpoint by every metric (the paper's Figure 2).

    The intervals of all metrics and checkpoints are over the same resamples of the samples, so that gains over the
    untuned model, which is step 0, are paired.

    Args:
        predictions: The predictions of the checkpoints, JSON lines.
        samples: The validation samples, JSON lines.
        split: The facts of the split that they come from.
        target: JSON to write.

    Raises:
        StudyError: Not all checkpoints have predictions of the same samples, or some are of no validation sample.
    """
    references, steps = read_steps(predictions, samples, split)
    write_json(target, to_plain(curve_of(references, steps)))


def read_steps(predictions: str, samples: str, split: str) -> tuple[list[Sample], dict[int, list[Prediction]]]:
    """Reads the samples of a curve, and what each checkpoint wrote for them; arguments and errors of `score_curve`."""
    references = {sample.id: sample for sample in read_part(samples, split)}
    steps = read_curve_predictions(predictions)
    ids = [prediction.id for prediction in next(iter(steps.values()), [])]
    if not ids or not references.keys() >= set(ids):
        raise StudyError(f"{predictions}: not predictions of samples in {samples}. Delete it and run again.")
    if any([prediction.id for prediction in found] != ids for found in steps.values()):
        raise StudyError(f"{predictions}: its checkpoints do not have the same samples. Delete it and run again.")
    return [references[number] for number in ids], dict(sorted(steps.items()))


def curve_of(references: list[Sample], steps: Mapping[int, list[Prediction]]) -> Curve:
    """Scores checkpoints, of which the first is what gains are over.

    Args:
        references: The samples.
        steps: The predictions of each checkpoint for them, by step.
    """
    texts = [prediction.first.text for found in steps.values() for prediction in found]
    found, count = measure_each(references * len(steps), texts), len(references)
    rows = [{"statistics": one.statistics} for one in found]
    measured = _measure([rows[start : start + count] for start in range(0, len(rows), count)], count)
    points = [_point(step, steps[step], found, measured[0]) for step, found in zip(steps, measured, strict=True)]
    return Curve(sorted(sample.id for sample in references), points)


class Measured(NamedTuple):
    """A checkpoint by one metric.

    Attributes:
        table: Statistics of the samples; shape (samples, statistics).
        estimate: Its score.
    """

    table: Array
    estimate: Estimate


def _measure(scored: list[list[Row]], samples: int) -> list[dict[str, Measured]]:
    """Measures each checkpoint by all metrics.

    Args:
        scored: The statistics of each checkpoint, in rows, in the order of the samples.
        samples: Number of samples.
    """
    resamples = Resamples(samples, RESAMPLES, RESAMPLES_SEED)
    found: list[dict[str, Measured]] = [{} for _ in scored]
    written = [name for name in metrics() if not name.endswith(ON_CODE)]
    for name in counted(written, "resampling", "metrics"):
        metric, both = metrics()[name], [name, on_code(name)]
        # Together: checkpoints have the references in common, and most predictions are all code.
        by_form = [statistics_of(rows, both) for rows in scored]
        tables = [in_few_bytes(found[one]) for one in both for found in by_form]
        resampled = resample_scores(metric, tables, resamples)
        for place, (table, own) in enumerate(zip(tables, resampled, strict=True)):
            form, checkpoint = divmod(place, len(scored))
            score = float(metric.score(table.sum(axis=0, keepdims=True, dtype=np.float64))[0])
            estimate = estimate_score([score], own[np.newaxis], count_measured(metric, table))
            found[checkpoint][both[form]] = Measured(table, estimate)
    return [{name: measured[name] for name in metrics()} for measured in found]


def _point(
    step: int, predictions: list[Prediction], measured: Mapping[str, Measured], untrained: Mapping[str, Measured]
) -> CurvePoint:
    """One checkpoint by all metrics, beside the untuned model."""
    print(f"step {step}: {len(predictions)} predictions scored", flush=True)
    truncated = sum(prediction.first.truncated for prediction in predictions)
    scores = {name: _score(metrics()[name], one, untrained[name]) for name, one in measured.items()}
    return CurvePoint(step, truncated / len(predictions), scores)


def _score(metric: Metric, own: Measured, untrained: Measured) -> CurveScore:
    """A checkpoint's score by one metric and its gain over the untuned model, both with intervals."""
    differing = int((own.table != untrained.table).any(axis=1).sum())
    gain = difference(own.estimate, untrained.estimate) if differing else no_difference(own.estimate)
    distribution = distribution_of(gain, RESAMPLES_SEED)
    return CurveScore(
        score=finite_or_none(own.estimate.value),
        interval=interval_of_score(own.estimate, metric.highest, RESAMPLES_SEED),
        gain=finite_or_none(gain.value),
        gain_interval=interval_of_gain(gain, distribution, min(differing, gain.samples), metric.highest),
    )
