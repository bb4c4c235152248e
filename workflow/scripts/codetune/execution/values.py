"""Plain data as Python literals: all that goes into a guest and all that comes out of it. Runs in guests, too.

Only values of exactly these types are plain: None, numbers, strings, bytes, lists, tuples, sets, dictionaries, ranges,
the iterators and views that stand for such values, the containers of `collections` with them in, and matches of
patterns, of which nothing is left but that they are true. An object of any other class, a subclass of `int` as well, is
no data: whoever got it could be deceived by what its methods answer.
"""

from __future__ import annotations

import _ast
import sys

TYPE_CHECKING = False  # of `typing`, which takes a guest longer to load than all else
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 50  # containers within one another; the parser that reads literals takes 200
_LONGEST_DECIMAL = 10**4000  # Python reads no longer ones in decimal digits


class NotPlainError(Exception):
    """A value is no plain data; the message names its type."""


class Inert:
    """What stands for an object that is no plain data: whatever is asked of it fails."""

    def __init__(self, name: str) -> None:
        """Makes a stand-in.

        Args:
            name: Of the object's type.
        """
        self.name = name

    def _refuse(self, *_arguments: object) -> Any:
        raise TypeError(f"an object of type {self.name} is no plain data")

    __hash__ = __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = __call__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __str__ = __repr__ = __int__ = __float__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __index__ = __abs__ = _refuse


class Matched(Inert):
    """What stands for a match of a pattern: it is true, and whatever else is asked of it fails."""

    def _confirm(self, *_arguments: object) -> Any:
        return True

    __bool__ = _confirm


def _keys(values: list[Any]) -> Any:
    return dict.fromkeys(values).keys()


def _values(values: list[Any]) -> Any:
    return dict(enumerate(values)).values()


def _items(values: list[Any]) -> Any:
    return dict(values).items()


_COLLECTIONS = ("Counter", "OrderedDict", "defaultdict", "deque")


def _collection(name: str) -> Any:
    """A function that makes a container of `collections`, which most guests never load, from its items."""

    def make(values: list[Any]) -> Any:
        import collections

        if name == "defaultdict":
            return collections.defaultdict(None, values)
        return getattr(collections, name)(dict(values) if name == "Counter" else values)

    return make


def _is_match(kind: type) -> bool:
    return "re" in sys.modules and vars(sys.modules["re"]).get("Match") is kind


def _name_in_collections(kind: type) -> str | None:
    loaded = vars(sys.modules["collections"]) if "collections" in sys.modules else {}
    return next((name for name in _COLLECTIONS if loaded.get(name) is kind), None)


# How literals write what has no sign of its own: by a call of one of these names, and by the name `nan`.
_CALLS = {
    "set": set,
    "frozenset": frozenset,
    "bytearray": bytearray,
    "complex": complex,
    "range": range,
    "iter": iter,
    "keys": _keys,
    "values": _values,
    "items": _items,
    "inert": Inert,
    "match": Matched,
    **{name: _collection(name) for name in _COLLECTIONS},
}
_NAMES = {**_CALLS, "nan": float("nan"), "__builtins__": {}}
_EMPTY: tuple[Any, ...] = ([], (), set(), {}, "", b"", range(0))
_ITERATORS = {
    *map(type, map(iter, _EMPTY)),
    type(reversed([])),
    type(_ for _ in ()),
    map,
    filter,
    zip,
    enumerate,
}
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_NODES = (_ast.Constant, _ast.List, _ast.Tuple, _ast.Set, _ast.Dict, _ast.Load, _ast.USub, _ast.Expression)


def encode(value: Any, inert: bool = False, depth: int = 0) -> str:
    """Writes a value as a literal, in ASCII and on one line.

    Args:
        value: The value. An iterator is used up.
        inert: Whether an object that is no plain data becomes an inert value; else it is refused.
        depth: How deep in other values it lies.

    Raises:
        NotPlainError: It is no plain data.
    """
    kind = type(value)
    if value is None or kind in (bool, str, bytes):
        return ascii(value)
    if kind is int:
        return repr(value) if -_LONGEST_DECIMAL < value < _LONGEST_DECIMAL else hex(value)
    if kind is float:
        return repr(value).replace("inf", "1e999")
    if kind is complex:
        return f"complex({encode(value.real)}, {encode(value.imag)})"
    if kind is range:
        return f"range({encode(value.start)}, {encode(value.stop)}, {encode(value.step)})"
    if kind is bytearray:
        return f"bytearray({bytes(value)!r})"
    if depth < DEEPEST:
        if kind is dict:
            pairs = [f"{encode(key, inert, depth + 1)}: {encode(one, inert, depth + 1)}" for key, one in value.items()]
            return "{" + ", ".join(pairs) + "}"
        if kind in (list, tuple, set, frozenset) or kind in _VIEWS or kind in _ITERATORS:
            return _encode_items(value, inert, depth)
        if name := _name_in_collections(kind):
            items = list(value) if name == "deque" else list(value.items())
            return f"{name}({encode(items, inert, depth + 1)})"
    if inert and _is_match(kind):
        return "match('re.Match')"
    if inert:
        return f"inert({str(kind.__name__)!a})"
    raise NotPlainError(f"an object of type {kind.__name__}")


def _encode_items(value: Any, inert: bool, depth: int) -> str:
    kind = type(value)
    items = ", ".join([encode(one, inert, depth + 1) for one in value])
    if kind is tuple:
        return f"({items},)" if items else "()"
    if kind is list:
        return f"[{items}]"
    return f"{'iter' if kind in _ITERATORS else _VIEWS.get(kind, kind.__name__)}([{items}])"


def decode(text: str) -> Any:
    """Reads a literal that `encode` has written, or somebody who pretends to.

    Raises:
        ValueError: It is no such literal.
    """
    try:
        tree: Any = compile(text, "data", "eval", _ast.PyCF_ONLY_AST)
        _check(tree)
        return eval(compile(tree, "data", "eval"), dict(_NAMES))  # noqa: S307 (checked: literals alone)
    except (SyntaxError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not plain data: {type(error).__name__}") from None


def _check(tree: Any) -> None:
    """Checks that a tree holds nothing but literals and calls of the known names."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        kind = type(node)
        if kind is _ast.Call:
            if type(node.func) is not _ast.Name or node.func.id not in _CALLS or node.keywords:
                raise ValueError("a call")
            waiting += node.args
        elif kind is _ast.UnaryOp:
            if type(node.op) is not _ast.USub or type(node.operand) is not _ast.Constant:
                raise ValueError("an operation")
        elif kind is _ast.Name:
            if node.id != "nan":
                raise ValueError("a name")
        elif kind in _NODES:
            for field in node._fields:
                found = getattr(node, field, None)
                waiting += found if type(found) is list else [found] if isinstance(found, _ast.AST) else []
        else:
            raise ValueError("an expression")
