"""Metrics of the overlap between a prediction and its reference: ROUGE-L and sacrebleu's corpus metrics."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from codetune.data.samples import Sample
from codetune.evaluation.bootstrap import Array
from codetune.evaluation.metric import Metric, average_metric, kept_of_short_texts
from codetune.evaluation.ngrams import ORDERS, count_matches, count_ngrams, number_characters, number_words
from codetune.evaluation.rouge import RougeL, rouge_l

LOG_OF_NOTHING = -9_999_999_999.0  # sacrebleu's logarithm of 0
CHRF_ORDERS, CHRF_BETA = 6, 2

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


def bleu_metric(label: str) -> Metric:
    """Makes sacrebleu's BLEU, with its default settings.

    A single sample is scored as `sentence_bleu` does, with the orders of n-grams that the prediction has: else every
    text of fewer than four tokens would score 0.

    Args:
        label: Name of the metric in tables and figures.
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU()
    metric.tokenizer._post_tokenizer = _tokenizer_of_signs()
    words_of = kept_of_short_texts(lambda text: metric._preprocess_segment(text).split())

    def compute(sample: Sample, text: str, _language: str) -> list[float]:
        ours, theirs = words_of(text), words_of(sample.output)
        matches = count_matches(*number_words(ours, theirs), ORDERS)
        return [float(x) for x in (len(ours), len(theirs), *matches, *count_ngrams(len(ours), ORDERS))]

    found = _corpus_metric(label, metric, compute, bleu_of_sums)
    alone = partial(bleu_of_sums, effective_order=True)
    return replace(found, score_alone=alone, score_resamples=bleu_of_resamples)


def _tokenizer_of_signs() -> Any:
    """Makes the tokenizer within sacrebleu's, whose first rule, spaces around each sign, becomes a table.

    Its regular expression takes half of the time of BLEU.
    """
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    class Tokenizer(TokenizerRegexp):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            rules: list[Any] = self._re  # type: ignore[has-type]
            self._re = rules[1:]
            self._signs = {code: f" {chr(code)} " for code in range(128) if rules[0][0].match(chr(code))}

        def __call__(self, line: str) -> str:
            return str(super().__call__(line.translate(self._signs)))

    return Tokenizer()


def chrf_metric(label: str) -> Metric:
    """Makes sacrebleu's chrF, with its default settings.

    Args:
        label: Name of the metric in tables and figures.
    """
    from sacrebleu.metrics import CHRF

    def compute(sample: Sample, text: str, _language: str) -> list[float]:
        ours, theirs = ("".join(one.split()) for one in (text, sample.output))
        numbers = (count_ngrams(len(one), CHRF_ORDERS) for one in (ours, theirs))
        counts = zip(
            *numbers, count_matches(number_characters(ours), number_characters(theirs), CHRF_ORDERS), strict=True
        )
        # What is written does not count in an order that the reference does not have.
        return [float(x) for written, wanted, matched in counts for x in (written if wanted else 0, wanted, matched)]

    return _corpus_metric(label, CHRF(), compute, chrf_of_sums)


def _corpus_metric(
    label: str,
    metric: Any,
    compute: Callable[[Sample, str, str], list[float]],
    score: Callable[[Array], Array],
) -> Metric:
    """Makes a metric of one of sacrebleu's, from the statistics that sacrebleu has of a sample and by its formula."""
    metric.corpus_score(["a"], [["a"]])  # sacrebleu completes a signature at the first score
    none = [0.0] * len(compute(Sample(0, "", "", "a"), "a", ""))
    return Metric(label, str(metric.get_signature()), compute, score, none, highest=100.0)


def bleu_of_sums(sums: Array, effective_order: bool = False) -> Array:
    """Computes BLEU as sacrebleu's `compute_bleu` does, to the last bit, but for many sets at once.

    Args:
        sums: Sums of statistics; shape (sets, 10): the lengths of predictions and references in tokens, the matched
            n-grams of orders 1 to 4, and the predictions' n-grams of orders 1 to 4.
        effective_order: Whether orders that the predictions do not have are left out; else they make the score 0.

    Returns:
        The scores, of shape (sets,), from 0 to 100; NaN for a set of nothing.
    """
    precisions, there = _precisions(sums)
    logarithms = np.where(
        there, _each(math.log, np.where(there, precisions, 1.0)), 0.0 if effective_order else LOG_OF_NOTHING
    )
    orders = np.maximum(there.sum(axis=1), 1) if effective_order else np.full(len(sums), 4)
    added = logarithms[:, 0] + logarithms[:, 1] + logarithms[:, 2] + logarithms[:, 3]
    return _with_brevity(sums, _each(math.exp, added / orders))


def bleu_of_resamples(sums: Array) -> Array:
    """Computes BLEU of many sets by square roots, in a third of the time: the same but for the last digits.

    Args:
        sums: As of `bleu_of_sums`.

    Returns:
        The scores, of shape (sets,), from 0 to 100; NaN for a set of nothing. Those of equal sums are equal.
    """
    precisions, there = _precisions(sums)
    products = precisions[:, 0] * precisions[:, 1] * precisions[:, 2] * precisions[:, 3]
    return _with_brevity(sums, np.where(there.all(axis=1), np.sqrt(np.sqrt(products)), 0.0))


def _precisions(sums: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The smoothed precision of each order in percent, and whether the predictions have n-grams of it."""
    matched, total = sums[:, 2:6], sums[:, 6:]
    there = np.logical_and.accumulate(total > 0, axis=1)
    unmatched = there & (matched == 0)
    smoothing = 2.0 ** np.cumsum(unmatched, axis=1)  # halved again at each order without a match
    whole = np.where(there, total, 1.0)
    return np.where(unmatched, 100 / (smoothing * whole), 100 * matched / whole), there


def _with_brevity(sums: Array, means: Array) -> Array:
    """Scores from the means of precisions: 0 where nothing matches, NaN for a set of nothing."""
    written, wanted, scores = sums[:, 0], sums[:, 1], means.copy()
    short = written < wanted
    lengths = np.divide(wanted, written, out=np.full(len(sums), np.inf), where=written > 0)
    scores[short] *= _each(math.exp, 1 - lengths[short])
    scores[~(sums[:, 2:6].any(axis=1) & (sums[:, 6] > 0))] = 0.0
    scores[~sums.any(axis=1)] = np.nan
    return scores


def chrf_of_sums(sums: Array) -> Array:
    """Computes chrF as sacrebleu does, to the last bit, but for many sets at once.

    Args:
        sums: Sums of statistics; shape (sets, 3 x orders): for each order of n-grams of characters their number in the
            predictions, in the references, and in both.

    Returns:
        The scores, of shape (sets,), from 0 to 100; NaN for a set of nothing.
    """
    precision, recall, orders = np.zeros(len(sums)), np.zeros(len(sums)), np.zeros(len(sums))
    for place in range(0, sums.shape[1], 3):
        written, wanted, matched = sums[:, place], sums[:, place + 1], sums[:, place + 2]
        there = (written > 0) & (wanted > 0)
        precision += np.divide(matched, written, out=np.zeros(len(sums)), where=there)
        recall += np.divide(matched, wanted, out=np.zeros(len(sums)), where=there)
        orders += there
    orders = np.maximum(orders, 1)
    precision, recall = precision / orders, recall / orders
    weighed = (CHRF_BETA**2 * precision) + recall
    products = (1 + CHRF_BETA**2) * precision * recall
    scores = 100 * np.divide(products, weighed, out=np.zeros(len(sums)), where=weighed > 0)
    return np.where(sums.any(axis=1), scores, np.nan)


def _each(function: Callable[[float], float], values: Array) -> Array:
    """A function of Python's for each value: numpy's own logarithms differ in the last bit from one CPU to another."""
    return np.fromiter(map(function, values.ravel().tolist()), float, values.size).reshape(values.shape)
