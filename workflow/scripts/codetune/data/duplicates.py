"""Near-duplicates: texts that share most of their token triples, apart from what many texts share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from codetune.base.progress import counted
from codetune.data.triples import Numbers, TripleSet, triple_sets

THRESHOLD = 0.7  # least Jaccard similarity of near-duplicates; the code below counts in sevenths and tenths
COMMON_SHARE = 10  # a triple is common if it is in more than a tenth of the texts,
COMMON_LEAST = 10  # and in more than ten of them: of a few texts, two that are alike are a large share


@dataclass(frozen=True)
class _Text:
    """What can make a text alike to another.

    Attributes:
        size: Number of its triples that are not common.
        features: What it shares with others, the rarest first.
    """

    size: int
    features: Numbers


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


def near_duplicates(texts: Iterable[str]) -> list[list[int]]:
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
    sets = triple_sets(texts)
    first: dict[bytes, int] = {}  # of the texts with the same triples
    found = Components(len(sets))
    different = []
    for number, one in enumerate(sets):
        same = number if one.key is None else first.setdefault(one.key, number)
        if same == number:
            different.append(number)
        else:
            found.connect([same, number])
    described, weights = _describe([sets[number] for number in different])
    del sets
    _connect_similar(found, described, weights, different)
    return [group for group in found.groups() if len(group) > 1]


def _describe(sets: list[TripleSet]) -> tuple[list[_Text], Numbers]:
    """Reduces different sets of triples to what decides on their similarity.

    Triples that are in the same sets become one feature, so a long text that many repeat costs no more than a word.
    What is common, or in one set only, is no feature.

    Returns:
        Each set, and the weight of each feature, which is its number of triples. Rarer features have lower numbers.
    """
    class_of = _classes(sets)
    weights = np.bincount(class_of)
    classes = [np.unique(class_of[one.shared]) for one in sets]
    held = np.bincount(_joined(classes), minlength=len(weights))
    common = held > max(COMMON_LEAST, len(sets) / COMMON_SHARE)
    features = np.flatnonzero((held > 1) & ~common)
    features = features[np.argsort(held[features], kind="stable")]
    number_of = np.full(len(weights), -1)
    number_of[features] = np.arange(len(features))
    texts = []
    for one, its in zip(sets, classes, strict=True):
        numbers = number_of[its]
        size = one.size - int(weights[its[common[its]]].sum())
        texts.append(_Text(size, np.sort(numbers[numbers >= 0])))
    return texts, weights[features]


def _classes(sets: list[TripleSet]) -> Numbers:
    """The class of each shared triple; those of one class are in the same sets."""
    class_of = np.zeros(1 + max((int(one.shared[-1]) for one in sets if len(one.shared)), default=-1), dtype=np.int64)
    last = 0
    for one in sets:  # splits each class into what is in this set and what is not
        parts, part_of = np.unique(class_of[one.shared], return_inverse=True)
        class_of[one.shared] = last + 1 + part_of
        last += len(parts)
    return np.unique(class_of, return_inverse=True)[1]


def _joined(rows: list[Numbers]) -> Numbers:
    return np.concatenate([np.zeros(0, dtype=np.int64), *rows])


def _connect_similar(found: Components, texts: list[_Text], weights: Numbers, nodes: list[int]) -> None:
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
    places, starts = _holders([texts[number].features for number in order], len(weights))
    weight_of, start_of = weights.tolist(), starts.tolist()
    connected = np.array([nodes[number] for number in order])  # of each text some node of its component
    overlaps = np.zeros(len(order), dtype=np.int64)
    last = np.full(len(weights), -1)  # the last text so far that has each feature
    for place, number in enumerate(counted(order, "comparison", "texts")):
        features, window = texts[number].features, slice(first[place], place)
        prefix = features[: _length_of_prefix(texts[number], weights)]
        alike = (last[prefix] >= first[place]).any()
        last[features] = place
        if not alike:
            continue
        overlaps[:] = 0
        for feature in features.tolist():
            overlaps[places[start_of[feature] : start_of[feature + 1]]] += weight_of[feature]
        unions = sizes[window] + sizes[place] - overlaps[window]
        similar = first[place] + np.flatnonzero(10 * overlaps[window] >= 7 * unions)
        for node in np.unique(connected[similar]):
            found.connect([int(node), nodes[number]])
        connected[similar] = connected[place] = found.root(nodes[number])


def _holders(rows: list[Numbers], features: int) -> tuple[Numbers, Numbers]:
    """The places of the rows that have each feature, one feature after the other, and where those of each start."""
    flat = _joined(rows)
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])[np.argsort(flat, kind="stable")]
    return owners, np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=features))])


def _length_of_prefix(text: _Text, weights: Numbers) -> int:
    """How many of a text's features come before those that together weigh less than 7/10 of its size."""
    after = np.cumsum(weights[text.features[::-1]])  # weights of the last feature, of the last two, ...
    return len(text.features) - int(np.searchsorted(10 * after, 7 * text.size))
