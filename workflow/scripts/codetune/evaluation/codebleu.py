"""CodeBLEU of Python predictions (Ren et al., 2020), from the parts of the package codebleu."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from codetune.data.samples import Sample
from codetune.evaluation.dataflow import Edge, data_flow
from codetune.evaluation.metric import Metric, kept_of_short_texts, mean_of_sums
from codetune.evaluation.ngrams import Ratio, precision_match, recall_match, word_counts
from codetune.evaluation.parsing import MOST_BYTES, encode, parse

# The package gives up on deeper trees somewhere below 1,000, depending on who calls it, or crashes.
DEEPEST = 300
# Most steps from the root to all nodes of a tree, together: the texts of all its subtrees are as long.
MOST_STEPS = 1_000_000


class CodeBleu(NamedTuple):
    """CodeBLEU of one prediction, by its parts, each in [0, 1].

    Attributes:
        ngrams: BLEU of the words.
        keywords: Recall of n-grams of words, of which keywords weigh five times as much as others.
        syntax: Share of the reference's subtrees that the prediction has; None where the reference has none.
        data_flow: Share of the reference's data flow that the prediction has; None where the reference has none.
    """

    ngrams: float
    keywords: float
    syntax: float | None
    data_flow: float | None

    @property
    def score(self) -> float:
        """The mean of the parts that are defined."""
        defined = [part for part in self if part is not None]
        return sum(defined) / len(defined)


class Matches(NamedTuple):
    """What a prediction and its reference have in common, counted: of this CodeBLEU's parts are made.

    Attributes:
        words: Number of words of the reference.
        tokens: Number of words of the prediction.
        ngrams: Matches of n-grams, of those of the prediction, by order.
        keywords: Matches of weighted n-grams, of those of the reference, by order.
        syntax: Matches of subtrees, of those of the reference. Where that has none, since it is but a comment, 1 of 0
            if the prediction has none either.
        data_flow: Matches of edges, of those of the reference.
    """

    words: int
    tokens: int
    ngrams: list[Ratio]
    keywords: list[Ratio]
    syntax: Ratio
    data_flow: Ratio


class _Structure(NamedTuple):
    """What is compared of a program beside its words.

    Attributes:
        subtrees: The text of the syntax tree, and of each subtree with children; of a program without code none.
        flow: How often each edge of the data flow occurs.
    """

    subtrees: list[str]
    flow: Counter[Edge]


def codebleu_of(reference: str, text: str) -> CodeBleu | None:
    """Computes CodeBLEU of one prediction: the mean of the matches of n-grams, weighted n-grams, syntax and data flow.

    The four parts are those of Ren et al. (2020) and of the package's `calc_codebleu`, but put together such that they
    end: matches are counted by tables instead of lists, and loops are followed once per state. They differ from the
    package in this:

    - A data flow that matches nowhere counts as 0. The package counts it as 1.
    - A part that is not defined is left out of the mean: data flow, where the reference has none, and syntax, where the
      reference is but a comment.
    - The parts of n-grams leave out the orders that a text of fewer than four words does not have, as the package's
      option `auto_reweigh` does, so that a program matches itself in full.
    - An empty prediction scores 0. The package fails on it.

    Args:
        reference: The reference, in Python.
        text: The prediction.

    Returns:
        Its parts; None if one of the texts is too long, too deeply nested or has too much data flow, or if the
        reference is empty. That depends on the texts alone, not on the machine.
    """
    found = count_matches_of_code(reference, text)
    if found is None:
        return None
    shares = (matched / of if of else None for matched, of in (found.syntax, found.data_flow))
    return CodeBleu(
        precision_match(found.ngrams, found.words, found.tokens),
        recall_match(found.keywords),
        *shares,
    )


@lru_cache(maxsize=1)  # the package's total is made of the same
def count_matches_of_code(reference: str, text: str) -> Matches | None:
    """Counts what CodeBLEU's parts are made of; arguments and None as of `codebleu_of`."""
    reference, text = (encode(code).decode().strip() for code in (reference, text))
    wanted, written = _structure(reference), _structure(text)
    if wanted is None or written is None or not reference:
        return None
    words, tokens = reference.split(), text.split()
    known, empty = set(written.subtrees), not (wanted.subtrees or written.subtrees)
    return Matches(
        len(words),
        len(tokens),
        *word_counts(words, tokens, _keywords()),
        (int(empty) + sum(tree in known for tree in wanted.subtrees), len(wanted.subtrees)),
        ((wanted.flow & written.flow).total(), wanted.flow.total()),
    )


def codebleu_metric(label: str) -> Metric:
    """Makes the metric: the mean over Python samples, whose third statistic counts references without data flow.

    Args:
        label: Name of the metric in tables and figures.
    """

    def compute(sample: Sample, text: str, _language: str) -> list[float]:
        found = codebleu_of(sample.output, text)
        return [0.0, 0.0, 0.0] if found is None else [found.score, 1.0, float(found.data_flow is None)]

    signature = (
        "mean over the Python samples|weights:0.25 each; without data flow in the reference equal over the other parts"
        f"|unmatched data flow:0|n-grams:of the orders that a text has|version:codebleu {version('codebleu')}"
    )
    return Metric(label, signature, compute, mean_of_sums, [0.0, 0.0, 0.0], frozenset({"Python"}))


def without_data_flow(statistics: Iterable[Sequence[float]]) -> int:
    """Counts the samples whose score has no part for data flow, by their statistics."""
    return sum(int(found[2]) for found in statistics)


@kept_of_short_texts
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
    if not tree.child_count:
        return []
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
