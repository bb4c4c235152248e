"""Rule score_curve: the scores of a training's checkpoints."""

import numpy as np

from codetune.base.errors import StudyError
from codetune.base.files import Row, write_json
from codetune.base.plain import to_plain
from codetune.base.progress import counted
from codetune.data.predictions import Prediction, read_curve_predictions
from codetune.data.samples import Sample, read_part
from codetune.evaluation.bootstrap import Resamples
from codetune.evaluation.estimate import count_measured, estimate_score, interval_of_score, resample_scores
from codetune.evaluation.metric import ON_CODE, statistics_of
from codetune.evaluation.registry import metrics, on_code
from codetune.evaluation.score import score_each, scores_of
from codetune.study.curve import Curve, CurvePoint, CurveScore

RESAMPLES, RESAMPLES_SEED = 10_000, 0  # of the bands; the same resamples for all models and checkpoints


def score_curve(predictions: str, samples: str, split: str, target: str) -> None:
    """Scores the untuned model and each kept checkpoint by every metric (the paper's Figure 2).

    The intervals of all metrics and checkpoints are over the same resamples of the samples.

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
    points = [_point(step, steps[step], chosen, resamples) for step in counted(sorted(steps), "curve", "checkpoints")]
    write_json(target, to_plain(Curve(sorted(ids), points)))


def _point(step: int, predictions: list[Prediction], samples: list[Sample], resamples: Resamples) -> CurvePoint:
    """One checkpoint by all metrics; its predictions are in the order of the samples."""
    scored = score_each(samples, [prediction.first.text for prediction in predictions])
    scores, intervals = scores_of(scored), _intervals(scored, resamples)
    print(f"step {step}: {len(scored)} predictions scored", flush=True)
    truncated = sum(prediction.first.truncated for prediction in predictions)
    found = {name: CurveScore(score, intervals[name]) for name, score in scores.items()}
    return CurvePoint(step, truncated / len(predictions), found)


def _intervals(scored: list[Row], resamples: Resamples) -> dict[str, list[float] | None]:
    """The interval of a checkpoint's score by each metric; None without a score, and of too few samples."""
    found: dict[str, list[float] | None] = {}
    for name, metric in metrics().items():
        if name.endswith(ON_CODE):
            continue
        # Most predictions are all code: what a metric has in common with that on code is resampled once.
        both = [name, on_code(name)]
        tables = [statistics_of(scored, one) for one in both]
        for one, table, own in zip(both, tables, resample_scores(metric, tables, resamples), strict=True):
            score = float(metric.score(table.sum(axis=0, keepdims=True))[0])
            estimate = estimate_score([score], own[np.newaxis], count_measured(metric, table))
            found[one] = interval_of_score(estimate, metric.highest, RESAMPLES_SEED)
    return found
