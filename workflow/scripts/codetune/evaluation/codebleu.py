"""CodeBLEU of Python predictions, from the parts of the package codebleu."""

from collections import Counter
from functools import cache
from typing import Any, NamedTuple

from codetune.evaluation.dataflow import Edge, data_flow
from codetune.evaluation.parsing import MOST_BYTES, encode, parse

# The package gives up on deeper trees somewhere below 1,000, depending on who calls it, or crashes.
DEEPEST = 300
# Most steps from the root to all nodes of a tree, together: the texts of all its subtrees are as long.
MOST_STEPS = 1_000_000


class _Structure(NamedTuple):
    """What is compared of a program beside its words.

    Attributes:
        subtrees: The text of the syntax tree, and of each subtree with children.
        flow: How often each edge of the data flow occurs.
    """

    subtrees: list[str]
    flow: Counter[Edge]


def codebleu_of(reference: str, text: str) -> float | None:
    """Computes CodeBLEU of one prediction: the mean of the matches of n-grams, weighted n-grams, syntax and data flow.

    This is the package's `calc_codebleu`, put together from its functions so that it ends: matches are counted by
    tables instead of lists, and loops are followed once per state. If a reference has no data flow, the package counts
    its data flow as fully matched. It fails on an empty prediction, which scores 0 here.

    Args:
        reference: The reference, in Python.
        text: The prediction.

    Returns:
        The score, in [0, 1]; None if one of the texts is too long, too deeply nested or has too much data flow. That
        depends on the texts alone, not on the machine.
    """
    from codebleu.bleu import corpus_bleu
    from codebleu.weighted_ngram_match import corpus_bleu as corpus_weighted_bleu

    if not text.strip():
        return 0.0
    reference, text = (encode(code).decode().strip() for code in (reference, text))
    wanted, written = _structure(reference), _structure(text)
    if wanted is None or written is None:
        return None
    words, tokens = reference.split(), text.split()
    weights = {word: 1 if word in _keywords() else 0.2 for word in words}
    ngrams = corpus_bleu([[words]], [tokens])
    weighted_ngrams = corpus_weighted_bleu([[[words, weights]]], [tokens])
    known = set(written.subtrees)
    syntax = sum(tree in known for tree in wanted.subtrees) / len(wanted.subtrees)
    flow = (wanted.flow & written.flow).total() / wanted.flow.total() if wanted.flow else 0
    return float(0.25 * ngrams + 0.25 * weighted_ngrams + 0.25 * syntax + 0.25 * (flow or 1))


def _structure(code: str) -> _Structure | None:
    """Returns a program's structure without its comments; None if there is too much of it."""
    if len(encode(code)) > MOST_BYTES:  # with the comments, which have to be found
        return None
    code = _without_comments(code)
    tree = parse("Python", code)
    subtrees = None if tree is None else _subtrees(tree)
    flow = None if subtrees is None else data_flow(code, tree)
    return None if subtrees is None or flow is None else _Structure(subtrees, flow)


def _without_comments(code: str) -> str:
    from codebleu.parser import remove_comments_and_docstrings

    try:
        return str(remove_comments_and_docstrings(code, "python"))
    except Exception:  # whatever Python's tokenizer says of broken code
        return code


def _subtrees(tree: Any) -> list[str] | None:
    """The text of a tree and of each subtree with children; None if the tree is too deep or too large."""
    nodes: list[Any] = []
    stack, steps = [(tree, 1)], 0
    while stack:
        node, depth = stack.pop()
        nodes.append(node)
        children = node.children
        steps += depth * (1 + len(children))
        if depth > DEEPEST or steps > MOST_STEPS:
            return None
        stack += [(child, depth + 1) for child in children if child.child_count]
    return [str(node) for node in nodes]


@cache
def _keywords() -> frozenset[str]:
    from codebleu.codebleu import PACKAGE_DIR

    return frozenset((PACKAGE_DIR / "keywords" / "python.txt").read_text(encoding="utf-8").split())
