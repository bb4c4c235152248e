"""CodeBLEU's two matches of n-grams: BLEU of one text, and recall with a weight for each word."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

ORDERS = 4
UNMATCHED = 0.1  # what counts where no n-gram of an order matches but single words do: NLTK's smoothing method 1
OTHER_WORDS = 0.2  # weight of a word that is no keyword

Ratio = tuple[float, float]  # what matches, of how much


def precision_match(wanted: Sequence[str], written: Sequence[str]) -> float:
    """BLEU of one text, with the orders that the text has.

    Args:
        wanted: Words of the reference.
        written: Words of the prediction.

    Returns:
        A value in [0, 1]: 1 for equal words, 0 for none in common.
    """
    ratios = []
    for order in range(1, min(ORDERS, len(written)) + 1):
        theirs, ours = _ngrams(wanted, order), _ngrams(written, order)
        ratios.append(((theirs & ours).total(), ours.total()))
    brevity = 1.0 if len(written) > len(wanted) else math.exp(1 - len(wanted) / max(1, len(written)))
    return brevity * _geometric_mean(ratios)


def recall_match(wanted: Sequence[str], written: Sequence[str], keywords: Collection[str]) -> float:
    """The share of the reference's n-grams that a text has, with the orders that the reference has.

    Shorter texts need no penalty of their own, since they have fewer of the n-grams.

    Args:
        wanted: Words of the reference.
        written: Words of the prediction.
        keywords: Words that weigh five times as much as others.

    Returns:
        A value in [0, 1]: 1 for equal words, 0 for none in common.
    """
    ratios: list[Ratio] = []
    for order in range(1, min(ORDERS, len(wanted)) + 1):
        theirs, ours = _ngrams(wanted, order), _ngrams(written, order)
        weights = {ngram: 1 if order > 1 or ngram[0] in keywords else OTHER_WORDS for ngram in theirs}
        ratios.append((_weigh(theirs & ours, weights), _weigh(theirs, weights)))
    return _geometric_mean(ratios)


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def _weigh(counts: Counter[tuple[str, ...]], weights: dict[tuple[str, ...], float]) -> float:
    return sum(count * weights[ngram] for ngram, count in counts.items())


def _geometric_mean(ratios: Sequence[Ratio]) -> float:
    """The mean over orders; 0 if not even a word matches."""
    if not ratios or not ratios[0][0]:
        return 0.0
    return math.exp(math.fsum(math.log((matched or UNMATCHED) / of) / len(ratios) for matched, of in ratios))
