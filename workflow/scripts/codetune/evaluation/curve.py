"""One point of the training curve."""

import statistics
from typing import Any

import numpy as np

from codetune.data.predictions import Prediction
from codetune.data.samples import SUBSET_SEED
from codetune.evaluation.bootstrap import draw_resamples, percentile_interval
from codetune.evaluation.rouge import rouge_l

RESAMPLES = 10_000


def curve_point(step: int, predictions: list[Prediction], references: dict[int, str]) -> dict[str, Any]:
    """Mean ROUGE-L F1 with its bootstrap interval over these samples, and the share of predictions cut off."""
    scores = np.array([rouge_l(references[p.id], p.text).f1 for p in predictions])
    weights = draw_resamples(np.random.default_rng(SUBSET_SEED), len(scores), RESAMPLES)
    return {
        "step": step,
        "rouge_l": statistics.fmean(scores.tolist()),
        "interval": percentile_interval(weights @ scores / len(scores)),
        "truncated": sum(p.truncated for p in predictions) / len(predictions),
    }
