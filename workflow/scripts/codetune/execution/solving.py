"""Guest 2: finds the code in what a model wrote, calls it as the tests do, and gives back plain data.

The model's code runs here and may do what it likes: it knows no expected value, and all that leaves the guest is text,
which the next guest reads as data. The output is one line about the code, and one line per call, as soon as it ended.
"""

from __future__ import annotations

import sys

from codetune.execution.extraction import NO_SYNTAX, find_code
from codetune.execution.recording import Sink
from codetune.execution.values import decode, encode

TYPE_CHECKING = False  # of `typing`, which takes a guest longer to load than all else
if TYPE_CHECKING:
    from typing import Any


def main(task: dict[str, Any]) -> None:
    """Runs the code.

    Args:
        task: `text`, what the model wrote; `stub`, the start of the program that it was given; `entries`, the names of
            the functions that are tested; and `calls`, literals of name, positional and named arguments.
    """
    channel, sys.stdout, sys.stderr = sys.stdout.buffer, Sink(), Sink()

    def tell(*line: Any) -> None:
        channel.write(encode(line, inert=True).encode("ascii") + b"\n")
        channel.flush()

    code, problem = find_code(task["text"], task["entries"][0], task["stub"])
    if code is None:
        tell("no code", problem)
        return
    try:
        program = compile(code, "answer", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # of what the parser alone does not see
        tell("no code", NO_SYNTAX)
        return
    tell("code", code)
    names: dict[str, Any] = {"__name__": "answer"}
    try:
        exec(program, names)  # noqa: S102
    except BaseException as error:
        tell("raised", type(error).__name__)
        return
    for call in task["calls"]:
        entry, arguments, named = decode(call)
        try:
            if entry not in names:
                raise NameError(entry)
            tell("returned", names[entry](*arguments, **named))
        except BaseException as error:
            tell("raised", type(error).__name__)
