"""The data flow of Python code: codebleu's own, in a time that does not double with every nested loop."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

Edge = tuple[str, str, tuple[str, ...]]  # a variable, the relation, and the variables that it comes from

LOOPS = ("for_statement", "while_statement")
# Each token of the left side is computed from each token of the right side.
ASSIGNMENTS = ("assignment", "augmented_assignment", "for_in_clause", "for_statement", "default_parameter")
MOST_WORK = (
    10_000_000  # steps of the package's function; the longest programs of the data sets that we looked at take 400,000
)


class _Flow:
    """codebleu's `DFG_python`, which looks at each loop once per state of the variables, and counts its steps.

    The package follows each loop's body twice, and so a body within n loops 2^n times. Almost all of these times the
    variables come from the same places, and then the result is the same.

    Attributes:
        left: Steps that may still be done; below zero where there were too many.
    """

    def __init__(self, follow: Any) -> None:
        self._follow = follow
        self._known: dict[Any, tuple[list[Any], dict[str, list[int]]]] = {}
        self.left = MOST_WORK

    def __call__(self, node: Any, tokens: Any, states: dict[str, list[int]]) -> tuple[list[Any], dict[str, list[int]]]:
        """The same arguments and results as those of `DFG_python`."""
        self._do(20 + len(states))
        kind = node.type
        if kind in ASSIGNMENTS:
            self._do(_pairs(node))
        if kind not in LOOPS:
            flow, after = self._follow(node, tokens, states)
            self._do(len(flow) if len(flow) != 1 else len(flow[0][4]))
            return flow, after
        key = node.id, frozenset((name, tuple(places)) for name, places in states.items())
        if key not in self._known:
            flow, after = self._known[key] = self._follow(node, tokens, states)
            self._do(4 * sum(len(origins) for *_, origins in flow))
        flow, after = self._known[key]
        return flow, after.copy()  # who asked goes on writing into it

    def _do(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise OverflowError  # the package turns it into a flow without edges


def data_flow(code: str, tree: Any) -> Counter[Edge] | None:
    """Counts the edges of a program's data flow, with the variables numbered as they occur.

    Args:
        code: The program, in Python.
        tree: The root of its tree, which must not be deep.

    Returns:
        How often each edge occurs; None if there is too much to follow.
    """
    from codebleu.dataflow_match import get_data_flow, normalize_dataflow

    with _counted() as flow:
        edges = get_data_flow(code, [SimpleNamespace(parse=lambda _: SimpleNamespace(root_node=tree)), flow])
    if flow.left < 0:
        return None
    return Counter((name, relation, tuple(origins)) for name, relation, origins in normalize_dataflow(edges))


@contextmanager
def _counted() -> Iterator[_Flow]:
    """Puts a `_Flow` where the package's function looks itself up to descend into a tree."""
    from codebleu.parser import DFG

    follow = DFG.DFG_python
    DFG.DFG_python = flow = _Flow(follow)
    try:
        yield flow
    finally:
        DFG.DFG_python = follow


def _pairs(node: Any) -> int:
    """At least the number of pairs of tokens that an assignment makes."""
    left = node.child_by_field_name("left") or node.children[0]
    right = node.child_by_field_name("right") or node.children[-1]
    return int((left.end_byte - left.start_byte) * (right.end_byte - right.start_byte))
