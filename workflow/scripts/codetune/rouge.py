"""ROUGE-L: by the definition of the `rouge-score` package, and over tokens of code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import LCSseq
from rouge_score.tokenizers import DefaultTokenizer

_TOKENIZER = DefaultTokenizer(use_stemmer=False)
# Names and numbers whole, every other character by itself; case counts, white space does not.
_CODE_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class RougeL:
    """Precision, recall and F1 of the longest common subsequence (the paper's equation 4), each in [0, 1]."""

    precision: float
    recall: float
    f1: float


def rouge_l(reference: str, prediction: str) -> RougeL:
    """ROUGE-L of one prediction: the same floats as `rouge_score.rouge_scorer.RougeScorer(["rougeL"])`.

    The tokens are rouge-score's own (lower-cased runs of letters and digits); only the longest common subsequence is
    found by rapidfuzz, whose result is the same integer.
    """
    return _compare(_TOKENIZER.tokenize(reference), _TOKENIZER.tokenize(prediction))


def code_rouge_l(reference: str, prediction: str) -> RougeL:
    """ROUGE-L over tokens of code: `x = a + b` and `x = a - b` differ, as do `Name` and `name`.

    rouge-score drops all but letters and digits and lowers their case, so that it takes such pairs for equal.
    """
    return _compare(_CODE_TOKEN.findall(reference), _CODE_TOKEN.findall(prediction))


def _compare(wanted: Sequence[str], written: Sequence[str]) -> RougeL:
    if not wanted or not written:
        return RougeL(0.0, 0.0, 0.0)
    common = LCSseq.similarity(wanted, written)
    precision, recall = common / len(written), common / len(wanted)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    return RougeL(precision, recall, f1)
