"""Guest 1: runs a data set's tests against the reference, and notes with what they call which function.

No code of a model comes here. The output is one line per call, and a last one that says how the tests ended.
"""

from __future__ import annotations

import _ast
import sys

from codetune.execution.values import NotPlainError, encode

TYPE_CHECKING = False  # of `typing`, which takes a guest longer to load than all else
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Sink:
    """Where prints go: nowhere."""

    def write(self, text: str) -> int:
        """Takes a text and forgets it."""
        return len(text)

    def flush(self) -> None:
        """Has nothing to do."""


def main(task: dict[str, Any]) -> None:
    """Runs the tests.

    Args:
        task: `reference` and `tests`, both source code, and `entries`: the names of the functions that are tested, or
            none, if they are those of the reference that the tests name.
    """
    channel, sys.stdout, sys.stderr = sys.stdout, Sink(), Sink()
    names: dict[str, Any] = {"__name__": "reference"}
    exec(compile(task["reference"], "reference", "exec"), names)  # noqa: S102
    entries = task["entries"] or tested_functions(task["reference"], task["tests"])
    calls: list[str] = []
    refused: list[str] = []
    recorders = {entry: recorder(entry, names[entry], calls, refused) for entry in entries}
    try:
        exec(compile(task["tests"], "tests", "exec"), {**names, **recorders})  # noqa: S102
        end = "passed" if calls else "the tests call no function of the reference"
    except BaseException as error:
        end = f"the reference fails its tests ({type(error).__name__})"
    lines = [encode(entries), *calls, encode(refused[0] if refused else end)]
    channel.write("\n".join(lines) + "\n")
    channel.flush()


def recorder(name: str, function: Callable[..., Any], calls: list[str], refused: list[str]) -> Callable[..., Any]:
    """Returns a function that notes its calls, and calls the one that it stands for.

    Args:
        name: What the tests call it.
        function: The one that it stands for.
        calls: Where each call is noted: name, positional and named arguments.
        refused: Where it is noted that an argument is no plain data.
    """

    def record(*arguments: Any, **named: Any) -> Any:
        try:
            calls.append(encode((name, arguments, named)))
        except NotPlainError as error:
            refused.append(f"the tests call {name} with {error}")
        return function(*arguments, **named)

    return record


def tested_functions(reference: str, tests: str) -> list[str]:
    """Returns the names of a program's functions that tests name, in the order of the program."""
    tree: Any = compile(reference, "reference", "exec", _ast.PyCF_ONLY_AST)
    functions = [statement.name for statement in tree.body if type(statement) is _ast.FunctionDef]
    used = set(compile(tests, "tests", "exec").co_names)
    return [name for name in dict.fromkeys(functions) if name in used]
