"""Metrics of the overlap between a prediction and its reference: ROUGE-L and sacrebleu's corpus metrics."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from codetune.data.samples import Sample
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.metric import Metric, average_metric
from codetune.evaluation.rouge import RougeL, rouge_l

# Precision, recall and F1 are three metrics, which are computed one after the other; each pair is compared only once.
cached_rouge_l = lru_cache(maxsize=1)(rouge_l)


def rouge_metric(label: str, part: str, compare: Callable[[str, str], RougeL], signature: str) -> Metric:
    """Makes a metric of one part of ROUGE-L.

    Args:
        label: Name of the metric in tables and figures.
        part: `precision`, `recall` or `f1`.
        compare: Computes ROUGE-L of a reference and a prediction.
        signature: The metric's signature.
    """
    return average_metric(label, signature, lambda sample, text, _: float(getattr(compare(sample.output, text), part)))


def corpus_metric(label: str, metric: Any) -> Metric:
    """Makes a metric of one of sacrebleu's corpus metrics, with its own statistics per sample and its own formula.

    Args:
        label: Name of the metric in tables and figures.
        metric: The metric of sacrebleu.
    """

    def compute(sample: Sample, text: str, _language: str) -> list[float]:
        return [float(x) for x in metric._extract_corpus_statistics([text], [[sample.output]])[0]]

    def score(sums: Array) -> Array:
        scores = (metric._compute_score_from_stats(row).score if any(row) else np.nan for row in sums.tolist())
        return np.fromiter(scores, float, len(sums))

    none = [0.0] * len(compute(Sample(0, "", "", "a"), "a", ""))
    return Metric(label, str(metric.get_signature()), compute, score, none, highest=100.0)
