"""What a metric is.

A metric turns each prediction into a few numbers, its statistics. The score of any set of samples is computed from the
sums of these, so that a mean over samples and a corpus score such as BLEU's are resampled, averaged and broken down in
the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from codetune.data.samples import Sample
from codetune.evaluation.bootstrap import Array


@dataclass(frozen=True)
class Metric:
    """A way to compare predictions with references.

    Attributes:
        label: For tables and figures.
        signature: What else than the name a reader has to know to get the same numbers: tokens, case, version.
        measure: Statistics of one prediction, given the sample, the prediction and the sample's language.
        score: Scores of sums of statistics; shape (sets, statistics) to (sets,).
        highest: The best score.
    """

    label: str
    signature: str
    measure: Callable[[Sample, str, str], list[float]]
    score: Callable[[Array], Array]
    highest: float = 1.0


def _mean(sums: Array) -> Array:
    """Mean over the samples that count; statistics are value and 1, or 0 and 0 where the metric does not apply."""
    counted = sums[:, 1]
    means: Array = np.divide(sums[:, 0], counted, out=np.full(len(sums), np.nan), where=counted > 0)
    return means


def average_metric(label: str, signature: str, value: Callable[[Sample, str, str], float | None]) -> Metric:
    """A metric that is a mean over samples."""

    def measure(sample: Sample, text: str, language: str) -> list[float]:
        found = value(sample, text, language)
        return [0.0, 0.0] if found is None else [float(found), 1.0]

    return Metric(label, signature, measure, _mean)
