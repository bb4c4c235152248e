"""The type of a metric.

A metric turns each prediction into a few numbers, its statistics. The score of any set of samples is computed from the
sums of these. So means over samples and corpus scores such as BLEU's are resampled, averaged and broken down in the
same way.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from codetune.data.samples import Sample
from codetune.evaluation.bootstrap import Array

Found = TypeVar("Found")

# No metric measures longer texts: the time of a longest common subsequence grows with the product of both lengths.
MOST_CHARACTERS = 100_000
KEPT, MOST_KEPT = 512, 2_000  # texts of which what was computed is kept, and most characters of each: up to 100 MB
EM_AT = re.compile(r"^(em|em_one_line)_at_(\d+)(_on_code|)$")  # the name of an EM@k: its form, k, and what it is of
ON_CODE = "_on_code"  # ends the name of a metric that is given the code in a prediction, in place of the whole text


def kept_of_short_texts(compute: Callable[[str], Found]) -> Callable[[str], Found]:
    """Returns a function that gives the same and keeps what it found for the last texts, as long as these are short.

    References come back: with the code of a prediction, and with each checkpoint of a curve.

    Args:
        compute: What depends on one text alone. What it returns is shared, and must not be changed.
    """
    kept = lru_cache(maxsize=KEPT)(compute)
    return lambda text: kept(text) if len(text) <= MOST_KEPT else compute(text)


@dataclass(frozen=True)
class Metric:
    """A way to compare predictions with references.

    Attributes:
        label: Its name in tables and figures.
        signature: All that is needed, beside the name, to compute the same numbers: tokens, case, version.
        compute: Computes the statistics of one prediction, as `measure` does within its bounds.
        score: Computes scores from sums of statistics: shape (sets, statistics) to (sets,); NaN for sums of nothing.
        none: The statistics of a sample without a value, which add nothing to any sum.
        languages: The languages of the samples that it applies to; None for all.
        highest: The highest possible score.
        score_alone: Computes the scores of single samples from their statistics; None where `score` does.
        score_resamples: Computes those of thousands of resamples; None where `score` does, which is quick then.
    """

    label: str
    signature: str
    compute: Callable[[Sample, str, str], list[float]]
    score: Callable[[Array], Array]
    none: list[float]
    languages: frozenset[str] | None = None
    highest: float = 1.0
    score_alone: Callable[[Array], Array] | None = None
    score_resamples: Callable[[Array], Array] | None = None

    def applies_to(self, language: str) -> bool:
        """Whether samples in a language have a value."""
        return self.languages is None or language in self.languages

    def measure(self, sample: Sample, text: str, language: str) -> list[float]:
        """Computes the statistics of one prediction.

        Args:
            sample: The sample, with the reference.
            text: The prediction.
            language: The sample's language.

        Returns:
            The statistics; `none` where the metric does not apply, there is no reference, or a text is too long.
        """
        if not (self.applies_to(language) and sample.output) or max(len(sample.output), len(text)) > MOST_CHARACTERS:
            return self.none
        return self.compute(sample, text, language)

    def score_each(self, statistics: Array) -> Array:
        """Computes the score of each sample.

        Args:
            statistics: Of the samples; shape (samples, statistics).

        Returns:
            The scores, of shape (samples,); NaN for a sample without a value.
        """
        return (self.score_alone or self.score)(statistics)


def average_metric(
    label: str,
    signature: str,
    value: Callable[[Sample, str, str], float | None],
    languages: frozenset[str] | None = None,
) -> Metric:
    """Makes a metric that is a mean over samples.

    The statistics of a sample are its value and 1, or 0 and 0 where it has none.

    Args:
        label: Name of the metric in tables and figures.
        signature: The metric's signature.
        value: Computes the value of one prediction from the sample, the prediction and the sample's language; None
            where it cannot be measured.
        languages: The languages of the samples that the metric applies to; None for all.
    """

    def compute(sample: Sample, text: str, language: str) -> list[float]:
        found = value(sample, text, language)
        return [0.0, 0.0] if found is None else [float(found), 1.0]

    return Metric(label, signature, compute, mean_of_sums, [0.0, 0.0], languages)


def mean_of_sums(sums: Array) -> Array:
    """Computes means over the samples to which a metric applies.

    Args:
        sums: Sums of the values and numbers of the samples, and of whatever else is counted; shape (sets, 2 or more).

    Returns:
        The means, of shape (sets,); NaN for a set without such samples.
    """
    counted = sums[:, 1]
    means: Array = np.divide(sums[:, 0], counted, out=np.full(len(sums), np.nan), where=counted > 0)
    return means


def statistics_of(scored: Sequence[dict[str, Any]], names: Iterable[str]) -> dict[str, Array]:
    """Returns the statistics of some metrics, each of shape (samples, statistics).

    A prediction that is nothing but code has the same on its code, and its row has them once.

    Args:
        scored: A row of scores for each sample.
        names: Of the metrics, each that is given the code in a prediction after that of the whole text.

    Raises:
        ValueError: Some samples have more of them than others.
    """
    tables: dict[str, Array] = {}
    for name in names:
        plain = name.removesuffix(ON_CODE)
        tables[name] = _table(scored, name) if name == plain else _table_on_code(scored, name, tables[plain])
    return tables


def _table(scored: Sequence[dict[str, Any]], name: str) -> Array:
    rows = [row["statistics"][name] for row in scored]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(f"statistics of {name} of different lengths")
    return np.fromiter(chain.from_iterable(rows), np.float64).reshape(len(rows), *widths)


def _table_on_code(scored: Sequence[dict[str, Any]], name: str, as_written: Array) -> Array:
    table = as_written.copy()
    for place, row in enumerate(scored):
        if (own := row["statistics"].get(name)) is not None:
            if len(own) != table.shape[1]:
                raise ValueError(f"statistics of {name} of different lengths")
            table[place] = own
    return table
