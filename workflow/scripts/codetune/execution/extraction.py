"""The code in what a model wrote that defines a function which tests call. Runs in guests.

The rule, the same for all models:

1. Looked at are, one after the other: the fenced blocks that name the function, the other ones, and the whole text. The
   first with a run of lines that parses and defines the function is taken, and of it the longest such run.
2. Where there is none, the text is read as the continuation of the stub: the start of the program, up to the function's
   docstring, that the model was given.
3. Before it stands what the stub has before the function: its imports, and functions that it may call.
4. Of all that only imports, definitions and assignments are kept, and only those that the function reaches: no prints,
   no tests of the model's own.
"""

from __future__ import annotations

import _ast
import re
from textwrap import indent

TYPE_CHECKING = False  # of `typing`, which takes a guest longer to load than all else
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NO_FUNCTION, NO_SYNTAX = "no function", "syntax error"
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$", re.MULTILINE)
_LEVEL = re.compile(r"(?:async\s+def|def|class|import|from|@|\w+\s*=)(?!=)")


def find_code(text: str, entry: str, stub: str) -> tuple[str | None, str]:
    """Finds the code.

    Args:
        text: What the model wrote.
        entry: The function's name.
        stub: The start of the program that it was given; empty if it was given none.

    Returns:
        The code, and an empty text; or None, and why there is none.
    """
    names = re.compile(rf"\b{re.escape(entry)}\b")
    blocks = sorted(_blocks(text), key=lambda block: names.search(block) is None)
    before = _before(stub, entry)
    for source in [*blocks, text]:
        if (found := _defining_run(source, entry)) is not None:
            return _reached(before + found, entry), ""
    for body in [*blocks, text]:
        if (found := _continuation(stub, body, entry)) is not None:
            return _reached(found, entry), ""
    return None, NO_SYNTAX if re.search(rf"\bdef\s+{re.escape(entry)}\b", text) else NO_FUNCTION


def _blocks(text: str) -> list[str]:
    """What stands between each fence and the next one, or the end."""
    fences = list(_FENCE.finditer(text))
    ends = [fence.start() for fence in fences[1:]] + [len(text)]
    return [text[fence.end() : end] for fence, end in zip(fences, ends, strict=False)]


def _before(stub: str, entry: str) -> str:
    """What a stub has before the function that it begins."""
    lines = stub.splitlines(keepends=True)
    heads = [number for number, line in enumerate(lines) if re.match(rf"(?:async\s+)?def\s+{entry}\b", line)]
    return "".join(lines[: heads[-1]]) if heads else ""


def _parsed(text: str) -> Any:
    return compile(text, "answer", "exec", _ast.PyCF_ONLY_AST)


def _binds(tree: Any, entry: str) -> bool:
    return any(entry in _bound(statement) for statement in tree.body)


def _defining_run(text: str, entry: str) -> str | None:
    """The longest run of lines that parses and defines the function: from the earliest start to the latest end."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    head = re.compile(rf"\s*(?:(?:async\s+)?def\s+{re.escape(entry)}\b|{re.escape(entry)}\s*=)")
    heads = [number for number, line in enumerate(lines) if head.match(line)]
    if not heads:
        return None
    margin = lines[heads[0]][: len(lines[heads[0]]) - len(lines[heads[0]].lstrip())]
    lines = [line.removeprefix(margin) for line in lines]
    for start in (number for number in range(heads[-1] + 1) if _LEVEL.match(lines[number])):
        run = _longest_from(lines[start:])
        if run is not None and _binds(_parsed(run), entry):
            return run
    return None


def _longest_from(lines: list[str]) -> str | None:
    """The longest run that starts at the first line and parses; None if there is none."""
    end = len(lines)
    while end > 0:
        run = "\n".join(lines[:end]) + "\n"
        try:
            _parsed(run)
        except SyntaxError as error:
            end = min(end - 1, max((error.lineno or end) - 1, 0))
        except (ValueError, RecursionError, MemoryError):
            return None
        else:
            return run
    return None


def _continuation(stub: str, body: str, entry: str) -> str | None:
    """The stub with a text as the function's body; white space before its first line may be lost."""
    if not stub.strip() or not body.strip():
        return None
    body = body.strip("\n")
    written = (body, "    " + body, indent(body, "    "))
    runs = [_longest_from(f"{stub.rstrip()}\n{one}".split("\n")) for one in written]
    whole = [run for run in runs if run is not None and _has_body(_parsed(run), entry)]
    return max(whole, key=len, default=None)


def _has_body(tree: Any, entry: str) -> bool:
    """Whether a program defines the function, and with more than a docstring."""
    for statement in tree.body:
        if type(statement) is _ast.FunctionDef and statement.name == entry:
            return len(statement.body) > 1
    return False


def _reached(program: str, entry: str) -> str:
    """The imports, definitions and assignments of a program that the function reaches, in their order."""
    lines = program.split("\n")
    statements = [(statement, _bound(statement)) for statement in _parsed(program).body]
    needed, kept = {entry}, set[int]()
    while True:
        new = {
            number for number, (_, bound) in enumerate(statements) if number not in kept and bound & (needed | {"*"})
        }
        if not new:
            break
        kept |= new
        for number in new:
            needed |= _names_in(statements[number][0])
    return "".join(_source(lines, statements[number][0]) for number in sorted(kept))


def _source(lines: list[str], statement: Any) -> str:
    """The lines of a statement; one that shares a line with another one comes with it."""
    first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", []))])
    return "\n".join(lines[first - 1 : statement.end_lineno]) + "\n"


def _bound(statement: Any) -> set[str]:
    """The names that a statement of the top level binds: one that is no import, definition or assignment binds none."""
    kind = type(statement)
    if kind in (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef):
        return {statement.name}
    if kind in (_ast.Import, _ast.ImportFrom):
        return {(one.asname or one.name).split(".")[0] for one in statement.names}
    if kind in (_ast.Assign, _ast.AnnAssign, _ast.AugAssign):
        return _stored(statement)
    if kind in (_ast.Try, _ast.If):
        parts = [*statement.body, *statement.orelse, *getattr(statement, "finalbody", [])]
        parts += [one for handler in getattr(statement, "handlers", []) for one in handler.body]
        return set[str]().union(*map(_bound, parts)) if not _is_main(statement) else set()
    return set()


def _is_main(statement: Any) -> bool:
    """Whether it is what a program does when it is started."""
    return type(statement) is _ast.If and "__name__" in _names_in(statement.test)


def _stored(statement: Any) -> set[str]:
    """The names that an assignment binds or changes, `values` in `values[0] = 1`, too."""
    targets = statement.targets if type(statement) is _ast.Assign else [statement.target]
    return {node.id for target in targets for node in _nodes(target) if type(node) is _ast.Name}


def _names_in(tree: Any) -> set[str]:
    return {node.id for node in _nodes(tree) if type(node) is _ast.Name}


def _nodes(tree: Any) -> Iterator[Any]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field in node._fields:
            found = getattr(node, field, None)
            waiting += [one for one in (found if type(found) is list else [found]) if isinstance(one, _ast.AST)]
