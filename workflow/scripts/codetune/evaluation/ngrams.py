"""Matches of n-grams: their numbers for chrF, and CodeBLEU's two, BLEU of one text and weighted recall."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

ORDERS = 4
UNMATCHED = 0.1  # what counts where no n-gram of an order matches but single words do: NLTK's smoothing method 1
OTHER_WORDS = 0.2  # weight of a word that is no keyword

Ratio = tuple[float, float]  # what matches, of how much


def count_ngrams(text: str, orders: int) -> list[int]:
    """The number of n-grams of characters of a text, for each order from 1."""
    return [max(0, len(text) - shorter) for shorter in range(orders)]


def count_matches(written: str, wanted: str, orders: int) -> list[int]:
    """Counts the n-grams of characters that two texts share, each as often as both have it, for each order from 1.

    N-grams are numbered in the order of their numbers: one of the next order is the number of its start, and its last
    character. Tables of texts, as sacrebleu has them, take twice the time.

    Args:
        written: A text.
        wanted: The other text.
        orders: Number of orders.
    """
    ngrams = [
        np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(int) for text in (written, wanted)
    ]
    items, letters, found = ngrams, 0, [0] * orders
    for shorter in range(min(orders, len(written), len(wanted))):
        if shorter:
            ngrams = [starts[:-1] * letters + ends[shorter:] for starts, ends in zip(ngrams, items, strict=True)]
        different, numbers = np.unique(np.concatenate(ngrams), return_inverse=True)
        ngrams = [numbers[: len(ngrams[0])], numbers[len(ngrams[0]) :]]
        if not shorter:
            items, letters = ngrams, len(different)
        counts = (np.bincount(each, minlength=len(different)) for each in ngrams)
        found[shorter] = int(np.minimum(*counts).sum())
    return found


def precision_counts(wanted: Sequence[str], written: Sequence[str]) -> list[Ratio]:
    """Counts the n-grams of a text that its reference has, of all that the text has, for each order from 1.

    Args:
        wanted: Words of the reference.
        written: Words of the prediction.
    """
    ratios: list[Ratio] = []
    for order in range(1, ORDERS + 1):
        theirs, ours = _ngrams(wanted, order), _ngrams(written, order)
        ratios.append(((theirs & ours).total(), ours.total()))
    return ratios


def precision_match(counts: Sequence[Ratio], wanted: int, written: int) -> float:
    """BLEU of one text, with the orders that the text has.

    Args:
        counts: What `precision_counts` counts.
        wanted: Number of words of the reference.
        written: Number of words of the prediction.

    Returns:
        A value in [0, 1]: 1 for equal words, 0 for none in common.
    """
    brevity = 1.0 if written > wanted else math.exp(1 - wanted / max(1, written))
    return brevity * geometric_mean([ratio for ratio in counts if ratio[1]])


def recall_counts(wanted: Sequence[str], written: Sequence[str], keywords: Collection[str]) -> list[Ratio]:
    """Weighs the n-grams of a reference that a text has, of all that the reference has, for each order from 1.

    Args:
        wanted: Words of the reference.
        written: Words of the prediction.
        keywords: Words that weigh five times as much as others.
    """
    ratios: list[Ratio] = []
    for order in range(1, ORDERS + 1):
        theirs, ours = _ngrams(wanted, order), _ngrams(written, order)
        weights = {ngram: 1 if order > 1 or ngram[0] in keywords else OTHER_WORDS for ngram in theirs}
        ratios.append((_weigh(theirs & ours, weights), _weigh(theirs, weights)))
    return ratios


def recall_match(counts: Sequence[Ratio]) -> float:
    """The share of the reference's n-grams that a text has, with the orders that the reference has.

    Shorter texts need no penalty of their own, since they have fewer of the n-grams.

    Args:
        counts: What `recall_counts` weighs.

    Returns:
        A value in [0, 1]: 1 for equal words, 0 for none in common.
    """
    return geometric_mean([ratio for ratio in counts if ratio[1]])


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def _weigh(counts: Counter[tuple[str, ...]], weights: dict[tuple[str, ...], float]) -> float:
    return sum(count * weights[ngram] for ngram, count in counts.items())


def geometric_mean(ratios: Sequence[Ratio]) -> float:
    """The mean over orders; 0 if not even a word matches."""
    if not ratios or not ratios[0][0]:
        return 0.0
    return math.exp(math.fsum(math.log((matched or UNMATCHED) / of) / len(ratios) for matched, of in ratios))
