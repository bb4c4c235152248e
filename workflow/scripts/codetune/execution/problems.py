"""Problems whose answers are programs: what a data set's record says of the tests, in one form for all kinds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codetune.base.errors import StudyError


@dataclass(frozen=True)
class Problem:
    """A function to be written, and tests that call it.

    Attributes:
        id: Number of its record in the data set.
        stub: The start of the program up to the function's docstring; empty if there is none.
        reference: A whole program that passes the tests.
        tests: Source code that runs among the names of that program and raises an exception if a test fails.
        entries: Names of the functions that are tested; empty if they are those of the reference that the tests name.
    """

    id: int
    stub: str
    reference: str
    tests: str
    entries: list[str]


def _humaneval(number: int, record: Mapping[str, Any]) -> Problem:
    """A record of HumanEval: the tests are a function `check` that gets the function to test."""
    entry, stub = record["entry_point"], record["prompt"]
    tests = f"{record['test']}\ncheck({entry})\n"
    return Problem(number, stub, stub + record["canonical_solution"], tests, [entry])


def _mbpp(number: int, record: Mapping[str, Any]) -> Problem:
    """A record of MBPP, whole or sanitized: the tests are statements."""
    before = [*record.get("test_imports", []), record.get("test_setup_code", "")]
    tests = "\n".join([*before, *record["test_list"]]) + "\n"
    return Problem(number, "", record["code"], tests, [])


KINDS: dict[str, Callable[[int, Mapping[str, Any]], Problem]] = {"humaneval": _humaneval, "mbpp": _mbpp}


def read_problem(kind: str, number: int, record: Mapping[str, Any], origin: str) -> Problem:
    """Reads the problem that a record states.

    Args:
        kind: The form of its tests, one of `KINDS`.
        number: Of the record in the data set.
        record: As published.
        origin: Where it stands, for the message.

    Raises:
        StudyError: A field is missing or of another type.
    """
    try:
        return KINDS[kind](number, record)
    except (KeyError, TypeError) as error:
        raise StudyError(
            f"{origin}: no problem of the kind '{kind}' ({type(error).__name__}: {error}). Check 'tests' in the config."
        ) from None
