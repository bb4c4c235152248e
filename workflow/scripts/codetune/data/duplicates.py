"""Near-duplicates: texts that share most of their token triples, apart from what many texts share."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.7  # least Jaccard similarity of near-duplicates; the code below counts in sevenths and tenths
COMMON_SHARE = 10  # a triple is common if it is in more than a tenth of the texts,
COMMON_LEAST = 10  # and in more than ten of them: of a few texts, two that are alike are a large share
TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class _Text:
    """What can make a text alike to another.

    Attributes:
        size: Number of its triples that are not common.
        features: What it shares with others, the rarest first.
    """

    size: int
    features: tuple[int, ...]


class Components:
    """The connected components of a graph that grows edge by edge; its nodes are numbers from 0."""

    def __init__(self, nodes: int) -> None:
        """Starts with nodes and no edge."""
        self._parent = list(range(nodes))

    def root(self, node: int) -> int:
        """The first node of a node's component."""
        parent = self._parent
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def connect(self, nodes: Sequence[int]) -> None:
        """Puts all of some nodes, at least one, into one component."""
        for node in nodes[1:]:
            low, high = sorted((self.root(nodes[0]), self.root(node)))
            self._parent[high] = low

    def groups(self) -> list[list[int]]:
        """The nodes of each component, ascending; components are in the order of their first nodes."""
        groups: dict[int, list[int]] = {}
        for node in range(len(self._parent)):
            groups.setdefault(self.root(node), []).append(node)
        return list(groups.values())


def near_duplicates(texts: Sequence[str]) -> list[list[int]]:
    """Groups texts with their near-duplicates. The result is exact: nothing is sampled or hashed.

    A text's triples are the set of its runs of three tokens, in lower case. A triple is common if it is in more than a
    tenth of the texts and in more than ten of them, where texts with the same triples count once. Two texts are
    near-duplicates if

    - they have the same triples, or
    - the Jaccard similarity of their triples without the common ones is at least `THRESHOLD`.

    So a preamble or a schema that many texts share does not make two of them alike, and does not hide that they are.

    Groups are connected components: two texts of one group need not be similar themselves if a chain of near-duplicates
    connects them.

    Returns:
        For each group of two or more texts their indices, ascending; groups are in the order of their first members.
    """
    same: dict[tuple[int, ...], list[int]] = {}
    for number, triples in enumerate(_triples_of(texts)):
        same.setdefault(triples, []).append(number)
    found = Components(len(texts))
    for members in same.values():
        found.connect(members)
    described, weights = _describe(list(same))
    _connect_similar(found, described, weights, [members[0] for members in same.values()])
    return [group for group in found.groups() if len(group) > 1]


def _triples_of(texts: Iterable[str]) -> Iterator[tuple[int, ...]]:
    """The set of each text's token triples, as ascending numbers; of fewer than three tokens it is all of them."""
    tokens: dict[str, int] = {}
    numbers: dict[tuple[int, ...], int] = {}
    triples: set[tuple[int, ...]]
    for text in texts:
        ids = [tokens.setdefault(token, len(tokens)) for token in TOKEN.findall(text.lower())]
        triples = set(zip(ids, ids[1:], ids[2:], strict=False)) or {tuple(ids)}
        yield tuple(sorted(numbers.setdefault(triple, len(numbers)) for triple in triples))


def _describe(sets: list[tuple[int, ...]]) -> tuple[list[_Text], list[int]]:
    """Reduces different sets of triples to what decides on their similarity.

    Triples that are in the same sets become one feature, so a long text that many repeat costs no more than a word.
    What is common, or in one set only, is no feature.

    Returns:
        Each set, and the weight of each feature, which is its number of triples. Rarer features have lower numbers.
    """
    # Of each triple; triples of one class are in the same sets so far.
    class_of = [0] * (1 + max((one[-1] for one in sets), default=-1))
    numbers = count(1)
    for one in sets:
        parts: dict[int, int] = {}
        for triple in one:
            before = class_of[triple]
            if before not in parts:
                parts[before] = next(numbers)
            class_of[triple] = parts[before]
    weights = Counter(class_of)
    holders = Counter(found for one in sets for found in {class_of[triple] for triple in one})
    most = max(COMMON_LEAST, len(sets) / COMMON_SHARE)
    shared = sorted((held, found) for found, held in holders.items() if 1 < held <= most)
    feature = {found: number for number, (_, found) in enumerate(shared)}
    texts = []
    for one in sets:
        classes = {class_of[triple] for triple in one}
        size = sum(weights[found] for found in classes if holders[found] <= most)
        texts.append(_Text(size, tuple(sorted(feature[found] for found in classes if found in feature))))
    return texts, [weights[found] for _, found in shared]


def _connect_similar(found: Components, texts: list[_Text], weights: list[int], nodes: list[int]) -> None:
    """Connects the nodes of texts that are similar, by an exact join with prefix filter.

    Similar texts overlap in at least 7/10 of the size of each. So the rarest feature that they share comes, in each,
    before those features at the end that together weigh less than that: it is in the prefix. If no text of a similar
    size has a feature of the prefix, none is similar. Otherwise the overlaps with all texts are counted at once.

    Args:
        found: Gets the connections.
        texts: The texts.
        weights: Weight of each feature.
        nodes: The node of each text.
    """
    order = sorted(range(len(texts)), key=lambda number: texts[number].size)
    sizes = np.array([texts[number].size for number in order])
    first = np.searchsorted(10 * sizes, 7 * sizes)  # the first text that is large enough, for each
    holders = _holders([texts[number].features for number in order], len(weights))
    connected = np.array([nodes[number] for number in order])  # of each text some node of its component
    for place, number in enumerate(order):
        features, window = texts[number].features, slice(first[place], place)
        length = _length_of_prefix(texts[number], weights)
        if not length:
            continue
        overlaps = np.zeros(len(order), dtype=np.int64)
        for feature in features[:length]:
            overlaps[holders[feature]] += weights[feature]
        if not overlaps[window].any():
            continue
        for feature in features[length:]:
            overlaps[holders[feature]] += weights[feature]
        unions = sizes[window] + sizes[place] - overlaps[window]
        similar = first[place] + np.flatnonzero(10 * overlaps[window] >= 7 * unions)
        for node in np.unique(connected[similar]):
            found.connect([int(node), nodes[number]])
        connected[similar] = connected[place] = found.root(nodes[number])


def _holders(rows: list[tuple[int, ...]], features: int) -> list[npt.NDArray[np.int64]]:
    """For each feature the numbers of the rows that have it, ascending."""
    lengths = [len(row) for row in rows]
    flat = np.fromiter((feature for row in rows for feature in row), dtype=np.int64, count=sum(lengths))
    owners = np.repeat(np.arange(len(rows)), lengths)[np.argsort(flat, kind="stable")]
    return np.split(owners, np.cumsum(np.bincount(flat, minlength=features))[:-1]) if features else []


def _length_of_prefix(text: _Text, weights: list[int]) -> int:
    """How many of a text's features come before those that together weigh less than 7/10 of its size."""
    left, length = 0, len(text.features)
    while length and 10 * (left + weights[text.features[length - 1]]) < 7 * text.size:
        length -= 1
        left += weights[text.features[length]]
    return length
