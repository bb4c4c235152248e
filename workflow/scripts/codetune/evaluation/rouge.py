"""ROUGE-L: by the definition of the `rouge-score` package, and over tokens of code."""

import re
import string
from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

DEFINITION = "rouge-score 0.1.2"  # whose floats these are; the tests compare with the package


_TOKEN = (string.ascii_lowercase + string.digits).encode()


_OTHERS_TO_SPACES = bytes(byte if byte in _TOKEN else ord(" ") for byte in range(256))


# Names and numbers whole, every other character by itself; case counts, white space does not.
_CODE_TOKEN = re.compile(r"\w+|[^\w\s]")


class RougeL(NamedTuple):
    """Precision, recall and F1 of the longest common subsequence (the paper's equation 4), each in [0, 1]."""

    precision: float
    recall: float
    f1: float


def rouge_l(reference: str, prediction: str) -> RougeL:
    """ROUGE-L of one prediction: the same floats as `rouge_score.rouge_scorer.RougeScorer(["rougeL"])`."""
    return _compare(words(reference), words(prediction))


def words(text: str) -> list[bytes]:
    """The tokens of `rouge_score.tokenize`: lower-cased runs of ASCII letters and digits.

    There a regular expression turns all else into spaces, a second splits at them, a third looks at each token. Here
    one table does: after `lower`, each character that is not ASCII becomes one "?", which no token holds, and what the
    table does not turn into a space is a token's. `lower` comes first in both, since it makes ASCII of two characters
    that are none (the Kelvin sign and the dotted capital I).
    """
    return text.lower().encode("ascii", "replace").translate(_OTHERS_TO_SPACES).split()


def code_rouge_l(reference: str, prediction: str) -> RougeL:
    """ROUGE-L over tokens of code: `x = a + b` and `x = a - b` differ, as do `Name` and `name`.

    rouge-score drops all but letters and digits and lowers their case, so that it takes such pairs for equal.
    """
    return _compare(_CODE_TOKEN.findall(reference), _CODE_TOKEN.findall(prediction))


def _compare(wanted: Sequence[str | bytes], written: Sequence[str | bytes]) -> RougeL:
    if not wanted or not written:
        return RougeL(0.0, 0.0, 0.0)
    common = LCSseq.similarity(wanted, written)
    precision, recall = common / len(written), common / len(wanted)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return RougeL(precision, recall, f1)
