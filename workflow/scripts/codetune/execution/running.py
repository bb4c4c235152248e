"""Guest 2 for test cases: runs the program in what a model wrote once per case, or calls a function of it.

As in `solving`, the model's code may do what it likes here: it knows no expected value. The output is one line about
the code, and one line per case, as soon as it ended.

The code is the longest run of lines that parses, in a fenced block or in the text as it is. All of it runs. The code of
a function is found as `solving` finds it, unless the text has a class `Solution`.
"""

from __future__ import annotations

import builtins
import io
import re
import sys
from textwrap import dedent

# Private there, since each letter of that module is fuel of the answers that `solving` runs.
from codetune.execution.extraction import NO_SYNTAX, _blocks, _longest_from, find_code
from codetune.execution.recording import Sink
from codetune.execution.values import decode, encode

TYPE_CHECKING = False  # of `typing`, which takes a guest longer to load than all else
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType
    from typing import Any

NO_PROGRAM = "no program"
_LIKE_CODE = re.compile(r"\b(?:print|input)\s*\(|\bdef\s+\w+\s*\(|^\s*import\s", re.MULTILINE)
_SOLUTION = re.compile(r"^class\s+Solution\b", re.MULTILINE)
_WORD = re.compile(r"[^\W\d]\w*")
_open = open


class _Written(io.BytesIO):
    """What a program writes, which outlives a `sys.stdout.close()`."""

    def close(self) -> None:
        """Has nothing to do."""


def main(task: dict[str, Any]) -> None:
    """Runs the code.

    Args:
        task: `text`, what the model wrote; `entry`, the name of the function that is tested, or None for a program;
            `imports`, lines of which the code gets those that it uses; and `calls`, literals of name, positional and
            named arguments.
    """
    # The stream itself, not its buffer: that closes with the stream, once programs have others in its place.
    channel, sys.stdout, sys.stderr = sys.stdout, Sink(), Sink()

    def tell(*line: Any) -> None:
        channel.write(encode(line, inert=True) + "\n")
        channel.flush()

    code, problem = _find(task["text"], task["entry"])
    if code is None:
        tell("no code", problem)
        return
    try:
        program = compile(code, "answer", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # of what the parser alone does not see
        tell("no code", NO_SYNTAX)
        return
    tell("code", code)
    imports = compile(_used(task["imports"], code), "imports", "exec")
    try:
        function = _function_of(task["entry"], imports, program)
    except BaseException as error:
        tell("raised", type(error).__name__)
        return
    for call in task["calls"]:
        _, arguments, named = decode(call)
        try:
            tell("returned", function(*arguments, **named))
        except BaseException as error:
            tell("raised", type(error).__name__)


def _find(text: str, entry: str | None) -> tuple[str | None, str]:
    """The code, and an empty text; or None, and why there is none."""
    if entry is None:
        return find_program(text)
    methods = [run for run in _runs_of(text) if _SOLUTION.search(run)]
    return (max(methods, key=len), "") if methods else find_code(text, entry, "")


def find_program(text: str) -> tuple[str | None, str]:
    """Finds the program in what a model wrote.

    Args:
        text: What the model wrote.

    Returns:
        The program, and an empty text; or None, and why there is none.
    """
    runs = _runs_of(text)
    if runs:
        return max(runs, key=len), ""
    return None, NO_SYNTAX if _LIKE_CODE.search(text) else NO_PROGRAM


def _runs_of(text: str) -> list[str]:
    """The runs of lines that parse, in the fenced blocks, which may be indented, and in the whole text."""
    return [run for source in [*_blocks(text), text] for run in _runs(source)]


def _runs(text: str) -> Iterator[str]:
    """The runs of lines that parse, each as long as it can be, one after the other."""
    lines = dedent(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    start = 0
    while start < len(lines):
        begins = lines[start].strip() and not lines[start][0].isspace()
        run = _longest_from(lines[start:]) if begins else None
        if run is not None:
            yield run
        start += 1 if run is None else run.count("\n")


def _used(imports: str, code: str) -> str:
    """The lines of imports that bind a name that the code uses."""
    words = set(_WORD.findall(code))
    lines = imports.splitlines()
    return "\n".join(line for line in lines if words & set(_WORD.findall(line.rpartition("import ")[2])))


def _function_of(entry: str | None, imports: CodeType, program: CodeType) -> Callable[..., Any]:
    """What stands for the answer: a function from the input of a program to its output, or the function itself."""
    if entry is None:
        vars(builtins).update(exit=sys.exit, quit=sys.exit, open=_open_input)  # without `site` there is no exit
        return lambda text: _run_on(imports, program, text)
    names = _run(imports, program, "answer")
    if "Solution" in names:
        return lambda *arguments: getattr(names["Solution"](), entry)(*arguments)
    function: Callable[..., Any] = names[entry]
    return function


def _run_on(imports: CodeType, program: CodeType, text: str) -> str:
    """Runs a program as if it were started with this text on its standard input; returns what it writes."""
    read, written = io.BytesIO(text.encode("utf-8", "replace")), _Written()
    streams = io.TextIOWrapper(read, "utf-8"), io.TextIOWrapper(written, "utf-8", newline="\n", write_through=True)
    sys.stdin, sys.stdout = sys.__stdin__, sys.__stdout__ = streams  # type: ignore[misc]
    try:
        _run(imports, program, "__main__")
    except SystemExit:
        pass
    finally:
        sys.stdout = Sink()
    return written.getvalue().decode("utf-8", "replace")


def _run(imports: CodeType, program: CodeType, name: str) -> dict[str, Any]:
    """Runs code among fresh names, and returns these."""
    names: dict[str, Any] = {"__name__": name}
    exec(imports, names)  # noqa: S102
    exec(program, names)  # noqa: S102
    return names


def _open_input(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
    """Opens a file, of which there is but the standard input."""
    if file in (0, "/dev/stdin"):
        return sys.stdin.buffer if "b" in mode else sys.stdin
    return _open(file, mode, *arguments, **named)
