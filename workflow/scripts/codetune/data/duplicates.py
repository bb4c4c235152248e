"""Near-duplicates: texts that share most of their token triples."""

import re
from collections.abc import Iterable, Sequence

THRESHOLD = 0.7  # Jaccard similarity of the sets of token triples from which two texts are near-duplicates


PERMUTATIONS = 128  # of MinHash, which only proposes pairs: their similarity is then computed exactly


SEED = 1


TOKEN = re.compile(r"\w+|[^\w\s]")


def near_duplicates(texts: Sequence[str]) -> list[list[int]]:
    """Groups of near-duplicates.

    Returns:
        The indices of each group of two or more, ascending, in the order of their first members. Two texts of a group
        need not be alike themselves if others between them are.
    """
    from datasketch import MinHash, MinHashLSH

    shingles = [_shingles(text) for text in texts]
    hashes = list(MinHash.bulk(shingles, num_perm=PERMUTATIONS, seed=SEED))
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    pairs = []
    for number, one in enumerate(hashes):
        pairs += [(other, number) for other in index.query(one) if _are_near(shingles[other], shingles[number])]
        index.insert(number, one)
    return [group for group in components(len(texts), pairs) if len(group) > 1]


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of a graph of `count` nodes, each ascending, in the order of their first members."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for node in range(count):
        groups.setdefault(root(node), []).append(node)
    return list(groups.values())


def _shingles(text: str) -> set[bytes]:
    tokens = TOKEN.findall(text.lower())
    return {" ".join(tokens[start : start + 3]).encode() for start in range(max(1, len(tokens) - 2))}


def _are_near(one: set[bytes], other: set[bytes]) -> bool:
    return len(one & other) >= THRESHOLD * len(one | other)
