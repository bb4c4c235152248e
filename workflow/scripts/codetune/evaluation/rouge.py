"""ROUGE-L: as the `rouge-score` package defines it, and over tokens of source code."""

import re
import string
from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

DEFINITION = "rouge-score 0.1.2"  # the package whose floats these are; tests compare with it

# Translation table that keeps the bytes of tokens and turns all others into spaces.
_TOKEN = (string.ascii_lowercase + string.digits).encode()
_OTHERS_TO_SPACES = bytes(byte if byte in _TOKEN else ord(" ") for byte in range(256))

# Tokens of source code: names and numbers are whole tokens, as is every other character that is not white space.
_CODE_TOKEN = re.compile(r"\w+|[^\w\s]")


class RougeL(NamedTuple):
    """ROUGE-L (the paper's equation 4): each value is in [0, 1].

    Attributes:
        precision: Length of the longest common subsequence over the number of the prediction's tokens.
        recall: The same length over the number of the reference's tokens.
        f1: Harmonic mean of both.
    """

    precision: float
    recall: float
    f1: float


def rouge_l(reference: str, prediction: str) -> RougeL:
    """Computes ROUGE-L of one prediction: the same floats as `rouge_score.rouge_scorer.RougeScorer(["rougeL"])`."""
    return _compare(words(reference), words(prediction))


def words(text: str) -> list[bytes]:
    """Splits a text into the tokens of `rouge_score.tokenize`: runs of lower-case ASCII letters and digits.

    rouge-score uses three regular expressions: one turns all other characters into spaces, one splits the text at
    spaces, and one checks each token. Here one table replaces them. Encoding turns each character outside ASCII into
    "?", and the table turns every byte that cannot be part of a token into a space. Both lower the case first, because
    that turns two characters outside ASCII into ASCII letters (the Kelvin sign and the dotted capital I).
    """
    return text.lower().encode("ascii", "replace").translate(_OTHERS_TO_SPACES).split()


def code_rouge_l(reference: str, prediction: str) -> RougeL:
    """Computes ROUGE-L over tokens of source code, so that `x = a + b` and `x = a - b` differ, as do `Name` and `name`.

    rouge-score takes such pairs for equal, because it drops all but letters and digits and lowers their case.
    """
    return _compare(_CODE_TOKEN.findall(reference), _CODE_TOKEN.findall(prediction))


def _compare(wanted: Sequence[str | bytes], written: Sequence[str | bytes]) -> RougeL:
    if not wanted or not written:
        return RougeL(0.0, 0.0, 0.0)
    common = LCSseq.similarity(wanted, written)
    precision, recall = common / len(written), common / len(wanted)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return RougeL(precision, recall, f1)
