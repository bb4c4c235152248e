"""The token triples of many texts, as numbers in arrays: as dictionaries they would take ten times the memory."""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.int32]
TOKEN = re.compile(r"\w+|[^\w\s]")
MOST_TOKENS = 1 << 21  # different ones, of which three fit into one number; of more, pairs are numbered first


@dataclass(frozen=True)
class TripleSet:
    """The set of a text's triples.

    Attributes:
        size: How many.
        shared: Numbers of those that are in other texts, too, in ascending order.
    """

    size: int
    shared: Tokens

    @property
    def key(self) -> bytes | None:
        """What equals that of texts with the same triples; None if the text has a triple of its own."""
        return self.shared.tobytes() if len(self.shared) == self.size else None


def triple_sets(texts: Iterable[str]) -> list[TripleSet]:
    """The set of each text's runs of three tokens, in lower case; of fewer than three tokens it is all of them."""
    keys, sizes = _distinct_triples(*_tokens_of(texts))
    ordered = np.sort(keys)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    sets, start = [], 0
    for size in sizes:
        own = keys[start : start + size]
        places = np.searchsorted(repeated, own)
        places[places == len(repeated)] = 0
        shared = places[repeated[places] == own] if len(repeated) else places[:0]
        sets.append(TripleSet(size, shared.astype(np.int32)))
        start += size
    return sets


def _tokens_of(texts: Iterable[str]) -> tuple[Tokens, list[int], int]:
    """The tokens of all texts as numbers from 1, with zeros after a text of fewer than three.

    Returns:
        The tokens, the length of each text, and a number that is larger than any token.
    """
    numbers: dict[str, int] = {}
    tokens, lengths = array("i"), []
    for text in texts:
        ids = [numbers.setdefault(token, len(numbers) + 1) for token in TOKEN.findall(text.lower())]
        ids += [0] * (3 - len(ids))
        tokens.extend(ids)
        lengths.append(len(ids))
    return np.frombuffer(tokens, dtype=np.int32), lengths, len(numbers) + 1


def _distinct_triples(tokens: Tokens, lengths: list[int], different: int) -> tuple[Numbers, list[int]]:
    """A number for each triple, equal for equal triples: those of each text in ascending order, and how many it has."""
    keys = _pairs(tokens, different)
    read = write = 0
    sizes = []
    for length in lengths:  # each writes its triples over pairs that have been read
        last = read + length
        own = np.unique(keys[read : last - 2] * different + tokens[read + 2 : last])
        keys[write : write + len(own)] = own
        sizes.append(len(own))
        read, write = last, write + len(own)
    return keys[:write], sizes


def _pairs(tokens: Tokens, different: int) -> Numbers:
    """A number for each token and the next one, small enough to be multiplied once more."""
    pairs = tokens[:-1].astype(np.int64)
    pairs *= different
    pairs += tokens[1:]
    return pairs if different <= MOST_TOKENS else np.unique(pairs, return_inverse=True)[1]
