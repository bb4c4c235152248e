"""Matches of n-grams: their numbers for BLEU and chrF, and CodeBLEU's two, BLEU of one text and weighted recall."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

ORDERS = 4
UNMATCHED = 0.1  # what counts where no n-gram of an order matches but single words do: NLTK's smoothing method 1
OTHER_WORDS = 0.2  # weight of a word that is no keyword
LARGEST = 2**58  # number of an n-gram: those of six orders, one range after the other, doubled, fit 64 bits

Ratio = tuple[float, float]  # what matches, of how much
Items = NDArray[np.int64]  # of a text: shape (its words or characters,)


def count_ngrams(items: int, orders: int) -> list[int]:
    """The number of n-grams of a text of so many words or characters, for each order from 1."""
    return [max(0, items - shorter) for shorter in range(orders)]


def number_characters(text: str) -> Items:
    """Returns the characters of a text as numbers, their code points."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)


def number_words(written: Sequence[str], wanted: Sequence[str]) -> tuple[Items, Items]:
    """Returns the words of two texts as numbers from 0, the same for the same word."""
    numbers: dict[str, int] = {}
    ours, theirs = ([numbers.setdefault(word, len(numbers)) for word in words] for words in (written, wanted))
    return np.array(ours, np.int64), np.array(theirs, np.int64)


def count_matches(written: Items, wanted: Items, orders: int) -> list[int]:
    """Counts the n-grams that two texts share, each as often as both have it, for each order from 1.

    Each n-gram becomes a number, larger than those of lower orders, whose last bit says which text it is of. They are
    sorted once. Tables of n-grams, as sacrebleu has them, take four times as long.

    Args:
        written: The words or characters of a text, as numbers that are the same for the same item, none below 0.
        wanted: Those of the other text.
        orders: Number of orders.
    """
    longest = min(orders, len(written), len(wanted))
    if not longest:
        return [0] * orders
    different = 1 + int(max(written.max(), wanted.max()))
    ours, theirs = np.zeros(len(written) + 1, np.int64), np.zeros(len(wanted) + 1, np.int64)
    bound, low, numbers = 1, 0, []
    for shorter in range(longest):
        if bound * different > LARGEST:
            (ours, theirs), bound = _renumbered([ours, theirs])
        ours = ours[:-1] * different + written[shorter:]
        theirs = theirs[:-1] * different + wanted[shorter:]
        numbers += [(ours + low) * 2, (theirs + low) * 2 + 1]
        bound *= different
        low += bound
    shorter_by = np.arange(longest)
    begins = shorter_by * (len(written) + len(wanted) + 1 - shorter_by)  # each has two n-grams less than the one before
    return _count_shared(np.concatenate(numbers), begins) + [0] * (orders - longest)


def _count_shared(numbers: Items, orders: Items) -> list[int]:
    """Counts the n-grams that both texts have among their numbers, for each order; `orders` says where these begin."""
    numbers.sort()
    ngrams, side = numbers >> 1, numbers & 1
    first = np.concatenate(([0], (ngrams[1:] != ngrams[:-1]).nonzero()[0] + 1))  # of each n-gram
    theirs = np.add.reduceat(side, first)
    ours = np.concatenate((first[1:], [len(numbers)])) - first - theirs
    shared: list[int] = np.add.reduceat(np.minimum(ours, theirs), first.searchsorted(orders)).tolist()
    return shared


def _renumbered(texts: list[Items]) -> tuple[list[Items], int]:
    """Numbers from 0 that are equal where those of two texts are, and how many different ones there are."""
    different, numbers = np.unique(np.concatenate(texts), return_inverse=True)
    return np.split(numbers, [len(texts[0])]), len(different)


def word_counts(
    wanted: Sequence[str], written: Sequence[str], keywords: Collection[str]
) -> tuple[list[Ratio], list[Ratio]]:
    """Counts the n-grams of words that two texts share, for each order from 1.

    Args:
        wanted: Words of the reference.
        written: Words of the prediction.
        keywords: Words that weigh five times as much as others.

    Returns:
        For the precision, those that the reference has of all that the prediction has; for the recall those that the
        prediction has, weighed, of all that the reference has.
    """
    ours, theirs = Counter(written), Counter(wanted)
    weights = {word: 1 if word in keywords else OTHER_WORDS for word in theirs}
    matches = count_matches(*number_words(written, wanted), ORDERS)
    precision: list[Ratio] = list(zip(matches, count_ngrams(len(written), ORDERS), strict=True))
    recall: list[Ratio] = list(zip(matches, count_ngrams(len(wanted), ORDERS), strict=True))
    return precision, [(_weigh(theirs & ours, weights), _weigh(theirs, weights)), *recall[1:]]


def precision_match(counts: Sequence[Ratio], wanted: int, written: int) -> float:
    """BLEU of one text, with the orders that the text has.

    Args:
        counts: What `word_counts` counts for the precision.
        wanted: Number of words of the reference.
        written: Number of words of the prediction.

    Returns:
        A value in [0, 1]: 1 for equal words, 0 for none in common.
    """
    brevity = 1.0 if written > wanted else math.exp(1 - wanted / max(1, written))
    return brevity * geometric_mean([ratio for ratio in counts if ratio[1]])


def recall_match(counts: Sequence[Ratio]) -> float:
    """The share of the reference's n-grams that a text has, with the orders that the reference has.

    Shorter texts need no penalty of their own, since they have fewer of the n-grams.

    Args:
        counts: What `word_counts` weighs for the recall.

    Returns:
        A value in [0, 1]: 1 for equal words, 0 for none in common.
    """
    return geometric_mean([ratio for ratio in counts if ratio[1]])


def _weigh(counts: Counter[str], weights: dict[str, float]) -> float:
    return sum(count * weights[word] for word, count in counts.items())


def geometric_mean(ratios: Sequence[Ratio]) -> float:
    """The mean over orders; 0 if not even a word matches."""
    if not ratios or not ratios[0][0]:
        return 0.0
    return math.exp(math.fsum(math.log((matched or UNMATCHED) / of) / len(ratios) for matched, of in ratios))
