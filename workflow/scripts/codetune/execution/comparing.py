"""Guest 3 for test cases: compares what the model's code has given with what is accepted, case by case.

No code of a model comes here. The output is one line: how many cases pass, and of the first that does not, if there is
one, its place and what is wrong with it.
"""

from __future__ import annotations

import sys

from codetune.execution.judging import WRONG, FailedError, name_of_error, read_result
from codetune.execution.recording import Sink
from codetune.execution.values import decode

TYPE_CHECKING = False  # of `typing`, which takes a guest longer to load than all else
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def main(task: dict[str, Any]) -> None:
    """Judges.

    Args:
        task: `tests`, source code that defines `same`; `accepted`, for each case a literal of the values that are
            right; `lines`, the results; and `ending`, what cases without a result ended by.
    """
    channel, sys.stdout, sys.stderr = sys.stdout, Sink(), Sink()
    names: dict[str, Any] = {"__name__": "tests"}
    exec(compile(task["tests"], "tests", "exec"), names)  # noqa: S102
    lines, ending = iter(task["lines"]), task["ending"]
    errors = [
        ending if (line := next(lines, None)) is None else _error_of(names["same"], accepted, line)
        for accepted in task["accepted"]
    ]
    wrong = [place for place, error in enumerate(errors) if error]
    first = f" {wrong[0]} {errors[wrong[0]]}" if wrong else ""
    channel.write(f"{len(errors) - len(wrong)}{first}\n")
    channel.flush()


def _error_of(same: Callable[[Any, Any], bool], accepted: str, line: str) -> str:
    """What is wrong with a result, as the verdict says it; an empty text if it is right."""
    try:
        kind, value = read_result(line)
        if kind == "raised":
            return name_of_error(str(value))
        return "" if any(same(value, one) for one in decode(accepted)) else WRONG
    except FailedError as failed:
        return str(failed)
    except Exception:  # of what stands for an object that is no plain data
        return WRONG
