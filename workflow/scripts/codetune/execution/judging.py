"""Guest 3: runs a data set's tests on the values that the model's code has given. No code of a model comes here.

The functions that are tested are replaced by ones that return the values. The output is one line: that they pass, or
how many calls they made, and what is wrong.
"""

from __future__ import annotations

import builtins
import sys

from codetune.execution.recording import Sink
from codetune.execution.values import decode, encode

TYPE_CHECKING = False  # of `typing`, which takes a guest longer to load than all else
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

WRONG, OTHER_CALLS, MALFORMED = "wrong answer", "other calls", "malformed data"


class FailedError(BaseException):
    """A call gave no value, or one that is none. The message is what the verdict says."""


class Answers:
    """The results of the calls, in their order."""

    def __init__(self, calls: list[str], lines: list[str], ending: str) -> None:
        """Keeps what the model's code has given.

        Args:
            calls: The recorded calls.
            lines: One result per call, as the guest wrote them.
            ending: What to say of calls without a result.
        """
        self._calls: Iterator[str] = iter(calls)
        self._lines: Iterator[str] = iter(lines)
        self._ending = ending
        self.raised: tuple[BaseException, str] | None = None
        self.failed = ""
        self.count = 0

    def function(self, name: str) -> Callable[..., Any]:
        """Returns a function that gives the next result.

        Args:
            name: What the tests call it.
        """

        def answer(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            try:
                kind, value = self._next(encode((name, arguments, named), inert=True))
            except FailedError as failed:
                self.failed = str(failed)  # tests may catch whatever is raised
                raise
            if kind == "returned":
                return value
            error = _exception(str(value))
            self.raised = error, name_of_error(str(value))
            raise error

        return answer

    def _next(self, call: str) -> tuple[str, Any]:
        if call != next(self._calls, None):
            raise FailedError(OTHER_CALLS)
        line = next(self._lines, None)
        if line is None:
            raise FailedError(self._ending)
        return read_result(line)


def read_result(line: str) -> tuple[str, Any]:
    """Reads what a solver wrote of a call.

    Args:
        line: The line.

    Returns:
        `returned` and the value, or `raised` and the name of an exception.

    Raises:
        FailedError: It is no such line.
    """
    try:
        kind, value = decode(line)
    except (ValueError, TypeError):
        raise FailedError(MALFORMED) from None
    if type(kind) is not str or kind not in ("returned", "raised"):
        raise FailedError(MALFORMED)
    return kind, value


def _exception(name: str) -> BaseException:
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            return kind(name)
        except TypeError:  # it takes other arguments, as UnicodeDecodeError does
            return ValueError(name)
    return RuntimeError(name)


def name_of_error(name: str) -> str:
    """Returns what a verdict calls an exception.

    Args:
        name: The exception's own name, as the model's code may have made it up.
    """
    if name == "MemoryError":
        return "out of memory"
    kind = getattr(builtins, name, None)
    return name if isinstance(kind, type) and issubclass(kind, BaseException) else "other exception"


def main(task: dict[str, Any]) -> None:
    """Judges.

    Args:
        task: `reference` and `tests`, both source code; `entries`, the names of the functions that are tested;
            `calls`, as they were recorded; `lines`, the results; and `ending`, what calls without a result ended by.
    """
    channel, sys.stdout, sys.stderr = sys.stdout, Sink(), Sink()
    names: dict[str, Any] = {"__name__": "reference"}
    exec(compile(task["reference"], "reference", "exec"), names)  # noqa: S102
    answers = Answers(task["calls"], task["lines"], task["ending"])
    replaced = {entry: answers.function(entry) for entry in task["entries"]}
    try:
        exec(compile(task["tests"], "tests", "exec"), {**names, **replaced})  # noqa: S102
        error = ""
    except BaseException as found:
        raised, name = answers.raised or (None, "")
        error = name if found is raised else name_of_error("MemoryError") if type(found) is MemoryError else WRONG
    error = answers.failed or error
    channel.write(f"failed {answers.count} {error}\n" if error else "passed\n")
    channel.flush()
