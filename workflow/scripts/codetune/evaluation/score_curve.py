"""Rule score_curve: the scores of a training's checkpoints."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import finite_or_none, write_json
from codetune.base.plain import to_plain
from codetune.base.progress import counted
from codetune.data.predictions import Prediction, read_curve_predictions
from codetune.data.samples import Sample, read_part
from codetune.evaluation.bootstrap import Array, Resamples
from codetune.evaluation.estimate import (
    Estimate,
    count_measured,
    difference,
    distribution_of,
    estimate_score,
    interval_of_gain,
    interval_of_score,
    no_difference,
    resample_scores,
)
from codetune.evaluation.metric import ON_CODE, Metric, statistics_of
from codetune.evaluation.registry import metrics, on_code
from codetune.evaluation.score import score_each
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
    references = {sample.id: sample for sample in read_part(samples, split)}
    steps = read_curve_predictions(predictions)
    ids = [prediction.id for prediction in next(iter(steps.values()), [])]
    if not ids or not references.keys() >= set(ids):
        raise StudyError(f"{predictions}: not predictions of samples in {samples}. Delete it and run again.")
    if any([prediction.id for prediction in found] != ids for found in steps.values()):
        raise StudyError(f"{predictions}: its checkpoints do not have the same samples. Delete it and run again.")
    chosen = [references[number] for number in ids]
    resamples = Resamples(len(ids), RESAMPLES, RESAMPLES_SEED)
    points: list[CurvePoint] = []
    untrained: Mapping[str, Measured] = {}
    for step in counted(sorted(steps), "curve", "checkpoints"):
        measured = _measure(steps[step], chosen, resamples)
        untrained = untrained or measured
        points.append(_point(step, steps[step], measured, untrained))
    write_json(target, to_plain(Curve(sorted(ids), points)))


class Measured(NamedTuple):
    """A checkpoint by one metric.

    Attributes:
        table: Statistics of the samples; shape (samples, statistics).
        estimate: Its score.
    """

    table: Array
    estimate: Estimate


def _measure(predictions: list[Prediction], samples: list[Sample], resamples: Resamples) -> dict[str, Measured]:
    """Scores one checkpoint by all metrics; its predictions are in the order of the samples."""
    scored = score_each(samples, [prediction.first.text for prediction in predictions])
    found: dict[str, Measured] = {}
    for name, metric in metrics().items():
        if name.endswith(ON_CODE):
            continue
        # Most predictions are all code: what a metric has in common with that on code is resampled once.
        both = [name, on_code(name)]
        tables = [statistics_of(scored, one) for one in both]
        for one, table, own in zip(both, tables, resample_scores(metric, tables, resamples), strict=True):
            score = float(metric.score(table.sum(axis=0, keepdims=True))[0])
            found[one] = Measured(table, estimate_score([score], own[np.newaxis], count_measured(metric, table)))
    return {name: found[name] for name in metrics()}


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
