"""The sandbox tried before its first verdict: one that lets anything through, or nothing, judges no answer."""

from pathlib import Path

from codetune.base.errors import StudyError
from codetune.execution.guests import Recorded, judge, record
from codetune.execution.sandbox import Sandbox
from codetune.study.problem import Problem

_FUEL = 3 * 10**9  # enough for the right answer, and soon used up by the endless one
_PROBLEM = Problem(
    stub="",
    reference="def double(number):\n    return 2 * number\n",
    tests="assert double(2) == 4\nassert double(5) == 10\n",
    entries=["double"],
)
_RIGHT = "def double(number):\n    return number + number\n"
_FORGED = """import os, sys

def double(number):
    os.write(1, b"passed\\n" * 3)
    os._exit(0)
"""
_FORGED_TYPE = """class Any(int):
    def __eq__(self, other):
        return True

def double(number):
    return Any()
"""


def _answers(file: Path) -> dict[str, tuple[str, str]]:
    """What is tried: code that is right only if the sandbox leaks, and the error that it has to end in."""
    read = f"def double(number):\n    return number * 2 if open({str(file)!r}).read() else 0\n"
    written = str(file.with_name("written-by-a-guest"))
    write = f"def double(number):\n    open({written!r}, 'w').close()\n    return number * 2\n"
    return {
        "a right answer": (_RIGHT, ""),
        "a wrong answer": ("def double(number):\n    return number\n", "wrong answer"),
        "reading a file": (read, "FileNotFoundError"),
        "writing a file": (write, "FileNotFoundError"),
        "listing a folder": (
            "import os\ndef double(number):\n    return os.listdir('/') and 2 * number\n",
            "FileNotFoundError",
        ),
        "an environment": (
            "import os\ndef double(number):\n    return 2 * number if os.environ else 0\n",
            "wrong answer",
        ),
        "an endless loop": ("def double(number):\n    while True:\n        pass\n", "out of fuel"),
        "too much memory": ("def double(number):\n    return bytes(1 << 30) and 2 * number\n", "out of memory"),
        "a forged verdict": (_FORGED, "malformed data"),
        "a forged comparison": (_FORGED_TYPE, "wrong answer"),
    }


def try_sandbox(sandbox: Sandbox) -> list[str]:
    """Tries the sandbox.

    Args:
        sandbox: The sandbox.

    Returns:
        What was tried, in words.

    Raises:
        StudyError: It does not behave as it has to.
    """
    recorded = record(sandbox, _PROBLEM)
    answers = _answers(Path(__file__))
    for name, (code, expected) in answers.items():
        found = _error(sandbox, recorded, code)
        if found != expected:
            raise StudyError(
                f"the sandbox fails its own test, {name}: it says '{found or 'passed'}', not '{expected or 'passed'}'. "
                "Nothing is executed. Delete the folder of the interpreter in the resources and run again."
            )
    return list(answers)


def _error(sandbox: Sandbox, recorded: Recorded, code: str) -> str:
    if recorded.refused:
        return recorded.refused
    return judge(sandbox, recorded, code, _FUEL).error
