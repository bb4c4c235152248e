"""The type of a metric.

A metric turns each prediction into a few numbers, its statistics. The score of any set of samples is computed from the
sums of these. So means over samples and corpus scores such as BLEU's are resampled, averaged and broken down in the
same way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from codetune.data.samples import Sample
from codetune.evaluation.bootstrap import Array


@dataclass(frozen=True)
class Metric:
    """A way to compare predictions with references.

    Attributes:
        label: Its name in tables and figures.
        signature: All that is needed, beside the name, to compute the same numbers: tokens, case, version.
        measure: Computes the statistics of one prediction from the sample, the prediction and the sample's language.
        score: Computes scores from sums of statistics: shape (sets, statistics) to (sets,).
        highest: The highest possible score.
    """

    label: str
    signature: str
    measure: Callable[[Sample, str, str], list[float]]
    score: Callable[[Array], Array]
    highest: float = 1.0


def average_metric(label: str, signature: str, value: Callable[[Sample, str, str], float | None]) -> Metric:
    """Makes a metric that is a mean over samples.

    The statistics of a sample are its value and 1, or 0 and 0 where the metric does not apply.

    Args:
        label: Name of the metric in tables and figures.
        signature: The metric's signature.
        value: Computes the value of one prediction from the sample, the prediction and the sample's language; None
            where the metric does not apply.
    """

    def measure(sample: Sample, text: str, language: str) -> list[float]:
        found = value(sample, text, language)
        return [0.0, 0.0] if found is None else [float(found), 1.0]

    return Metric(label, signature, measure, _mean_of)


def _mean_of(sums: Array) -> Array:
    """Computes means over the samples to which a metric applies.

    Args:
        sums: Sums of the values and numbers of the samples; shape (sets, 2).

    Returns:
        The means, of shape (sets,); NaN for a set without such samples.
    """
    counted = sums[:, 1]
    means: Array = np.divide(sums[:, 0], counted, out=np.full(len(sums), np.nan), where=counted > 0)
    return means


def statistics_of(scored: list[dict[str, Any]], name: str) -> Array:
    """Returns the statistics of one metric, of shape (samples, statistics)."""
    return np.array([row["statistics"][name] for row in scored])
