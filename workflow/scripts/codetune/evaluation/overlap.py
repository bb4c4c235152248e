"""Metrics of the overlap between a prediction and its reference: ROUGE-L and sacrebleu's corpus metrics."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from codetune.data.samples import Sample
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.metric import Metric, average_metric
from codetune.evaluation.rouge import RougeL, rouge_l

# A pair is compared once for the three metrics that are parts of its ROUGE-L, one after the other.
cached_rouge_l = lru_cache(maxsize=1)(rouge_l)


def rouge_metric(label: str, part: str, compare: Callable[[str, str], RougeL], signature: str) -> Metric:
    return average_metric(label, signature, lambda sample, text, _: float(getattr(compare(sample.output, text), part)))


def corpus_metric(label: str, metric: Any) -> Metric:
    """A corpus metric of sacrebleu, from its own statistics of each sample and its own formula."""

    def measure(sample: Sample, text: str, _language: str) -> list[float]:
        return [float(x) for x in metric._extract_corpus_statistics([text], [[sample.output]])[0]]

    def score(sums: Array) -> Array:
        return np.array([metric._compute_score_from_stats(row.tolist()).score for row in sums])

    return Metric(label, str(metric.get_signature()), measure, score, 100.0)
