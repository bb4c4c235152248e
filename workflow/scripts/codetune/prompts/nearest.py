"""The samples whose requests are most similar to a request, by BM25 (Robertson and Zaragoza 2009)."""

import logging
import re
from collections.abc import Sequence
from importlib.metadata import version

import bm25s
import numpy as np

from codetune.data.samples import Sample

VARIANT, K1, B = "lucene", 1.5, 0.75  # the package's own values, chosen on no data
WORD = re.compile(r"\w+")


def signature() -> str:
    """Returns all that is needed to find the same samples, as one line."""
    return f"BM25|{VARIANT}|k1:{K1}|b:{B}|tokens:\\w+|case:lower|ties:first|bm25s:{version('bm25s')}"


class Nearest:
    """An index of samples by the words of their requests."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        """Builds the index.

        Args:
            samples: The samples to search, at least one: of the training part alone, since what is found becomes part
                of predictions.
        """
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells of each step otherwise
        self._samples = samples
        self._index = bm25s.BM25(method=VARIANT, k1=K1, b=B)
        words = [_words(sample.request) for sample in samples]
        with np.errstate(invalid="ignore"):  # a mean length of zero, should no request have a word
            self._index.index(words, create_empty_token=False, show_progress=False)

    def to(self, request: str, count: int) -> list[Sample]:
        """Finds the samples whose requests are most similar.

        Args:
            request: The request to compare with.
            count: How many samples to find, at least one; all if there are fewer.

        Returns:
            The samples, the most similar first; of equally similar ones the first of the index first, as for a request
            that shares no word with any sample.
        """
        known = self._index.get_tokens_ids(_words(request))
        scores = self._index.get_scores_from_ids(known) if known else np.zeros(len(self._samples))
        count = min(count, len(scores))
        near = np.flatnonzero(scores >= np.partition(scores, -count)[-count])  # sorting all would take most of the time
        return [self._samples[place] for place in near[np.argsort(-scores[near], kind="stable")[:count]]]


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
