"""Near-duplicates: texts that share most of their token triples."""

import re
from collections.abc import Iterable, Sequence

THRESHOLD = 0.7  # least Jaccard similarity of the sets of token triples of near-duplicates
PERMUTATIONS = 128  # hash functions of MinHash, which only proposes pairs; their similarity is then computed exactly
SEED = 1  # of MinHash
TOKEN = re.compile(r"\w+|[^\w\s]")


def near_duplicates(texts: Sequence[str]) -> list[list[int]]:
    """Groups texts with their near-duplicates.

    Groups are connected components: two texts of one group need not be similar themselves if a chain of near-duplicates
    connects them.

    Returns:
        For each group of two or more texts their indices, ascending; groups are in the order of their first members.
    """
    from datasketch import MinHash, MinHashLSH

    shingles = [_shingles_of(text) for text in texts]
    hashes = list(MinHash.bulk(shingles, num_perm=PERMUTATIONS, seed=SEED))
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    pairs = []
    for number, one in enumerate(hashes):
        pairs += [(other, number) for other in index.query(one) if _are_near(shingles[other], shingles[number])]
        index.insert(number, one)
    return [group for group in components(len(texts), pairs) if len(group) > 1]


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Finds the connected components of a graph.

    Args:
        count: Number of nodes.
        pairs: The edges, as pairs of nodes.

    Returns:
        The nodes of each component, ascending; components are in the order of their first members.
    """
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


def _shingles_of(text: str) -> set[bytes]:
    """Returns the set of a text's token triples; all its tokens if there are fewer than three."""
    tokens = TOKEN.findall(text.lower())
    return {" ".join(tokens[start : start + 3]).encode() for start in range(max(1, len(tokens) - 2))}


def _are_near(one: set[bytes], other: set[bytes]) -> bool:
    return len(one & other) >= THRESHOLD * len(one | other)
