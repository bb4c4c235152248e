"""The data flow of Python code: codebleu's own, in a time that does not double with every nested loop."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

Edge = tuple[str, str, tuple[str, ...]]  # a variable, the relation, and the variables that it comes from

States = dict[str, list[int]]  # the places that each variable may come from

LOOPS = ("for_statement", "while_statement")
# Each token of the left side is computed from each token of the right side.
ASSIGNMENTS = ("assignment", "augmented_assignment", "for_in_clause", "for_statement", "default_parameter")
FOLLOWED = frozenset({*LOOPS, *ASSIGNMENTS, "if_statement"})  # by the package; of other nodes it follows the children
STRINGS = ("string_literal", "string", "character_literal")
MOST_WORK = 10_000_000  # steps; the longest programs of the data sets that we looked at take 400,000


class _Flow:
    """codebleu's `DFG_python`, which looks at each loop once per state of the variables, and counts its steps.

    The package follows each loop's body twice, and so a body within n loops 2^n times. Almost all of these times the
    variables come from the same places, and then the result is the same. At each node it also copies what is known of
    the variables, and sorts the flow; here tokens, and nodes that only have children, are followed without it.

    Attributes:
        left: Steps that may still be done; below zero where there were too many.
    """

    def __init__(self, follow: Any) -> None:
        self._follow = follow
        self._known: dict[Any, tuple[list[Any], States]] = {}
        self.left = MOST_WORK

    def __call__(self, node: Any, tokens: Any, states: States) -> tuple[list[Any], States]:
        """The same arguments and results as those of `DFG_python`, but for a flow whose tokens are in another order."""
        flow: list[Any] = []
        return flow, self._add_flow(flow, node, tokens, states.copy())

    def _add_flow(self, flow: list[Any], node: Any, tokens: Any, states: States) -> States:
        """Adds the flow of a node; returns what is known of the variables after it, maybe in `states` itself."""
        kind, children = node.type, node.children
        self._do(20 + len(states))
        if children and kind in FOLLOWED:
            found, states = self._follow_statement(kind, node, tokens, states)
            flow += found
        elif kind != "comment" and (not children or kind in STRINGS):
            self._add_token(flow, kind, tokens[node.start_point, node.end_point], states)
        else:
            for child in sorted(children, key=_is_not_comprehended):
                states = self._add_flow(flow, child, tokens, states)
        return states

    def _add_token(self, flow: list[Any], kind: str, token: tuple[int, str], states: States) -> None:
        """Adds the flow of a token that is no sign and no keyword."""
        place, code = token
        if kind == code:
            return
        origins = states.get(code)
        flow.append((code, place, "comesFrom", [] if origins is None else [code], list(origins or ())))
        self._do(len(flow[-1][4]))
        if origins is None and kind == "identifier":
            states[code] = [place]

    def _follow_statement(self, kind: str, node: Any, tokens: Any, states: States) -> tuple[list[Any], States]:
        """What the package finds of a statement; of a loop once per state of the variables."""
        if kind in ASSIGNMENTS:
            self._do(_pairs(node))
        if kind not in LOOPS:
            flow, after = self._follow(node, tokens, states)
            self._do(len(flow))
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


def _is_not_comprehended(node: Any) -> bool:
    return bool(node.type != "for_in_clause")  # which is read first, since what stands before it is computed from it


def _pairs(node: Any) -> int:
    """At least the number of pairs of tokens that an assignment makes."""
    left = node.child_by_field_name("left") or node.children[0]
    right = node.child_by_field_name("right") or node.children[-1]
    return int((left.end_byte - left.start_byte) * (right.end_byte - right.start_byte))
