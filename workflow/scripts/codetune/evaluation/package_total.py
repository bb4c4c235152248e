"""CodeBLEU of a whole set as the package codebleu totals it, beside which papers that report it can be read.

The package adds up what matches over all samples before it divides. A data flow of which nothing matches counts as 1
there, so that a set of empty predictions scores 0.25; and each reference counts as two words in the brevity penalty of
the weighted n-grams.
"""

import math
from collections.abc import Iterable, Sequence

from codetune.evaluation.codebleu import Matches
from codetune.evaluation.ngrams import ORDERS, Ratio, geometric_mean

REFERENCE_LENGTH = 2  # in the weighted part: the package takes the length of a pair of words and weights


def total_of_package(samples: Iterable[Matches]) -> float | None:
    """Computes what `codebleu.calc_codebleu` calls `codebleu`.

    Args:
        samples: What each prediction has in common with its reference.

    Returns:
        A value in [0, 1]; None for no samples.
    """
    found = list(samples)
    if not found:
        return None
    written = sum(one.tokens for one in found)
    ngrams = _match([one.ngrams for one in found]) * _brevity(sum(one.words for one in found), written)
    keywords = _match([one.keywords for one in found]) * _brevity(REFERENCE_LENGTH * len(found), written)
    syntax = _share(
        (matched, max(1, of)) for matched, of in (one.syntax for one in found)
    )  # an empty program is a tree
    return (ngrams + keywords + syntax + (_share(one.data_flow for one in found) or 1)) / 4


def _match(counts: Sequence[Sequence[Ratio]]) -> float:
    """The geometric mean over all orders; an order that a text does not have counts as one n-gram without a match."""
    by_order = [[one[order] for one in counts] for order in range(ORDERS)]
    return geometric_mean([(sum(a for a, _ in each), sum(max(1, b) for _, b in each)) for each in by_order])


def _brevity(wanted: int, written: int) -> float:
    if written > wanted:
        return 1.0
    return math.exp(1 - wanted / written) if written else 0.0


def _share(ratios: Iterable[Ratio]) -> float:
    matched, of = map(sum, zip(*ratios, strict=True))
    return matched / of if of else 0.0
