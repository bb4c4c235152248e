"""Problems whose answers are programs: what a record says of its unit tests, in one form for all data sets."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import Row, reason_in_short
from codetune.data.cases import read_apps, read_program, read_texts_of_apps
from codetune.data.evalplus import read_evalplus
from codetune.data.stubs import whole
from codetune.study.problem import Problem


def _humaneval(record: Mapping[str, Any], output: str) -> Problem:
    """The tests are a function `check`, which gets the function to test."""
    entry, stub = str(record["entry_point"]), str(record["prompt"])
    return Problem(stub, whole(stub, output, entry), f"{record['test']}\ncheck({entry})\n", [entry])


def _mbpp(record: Mapping[str, Any], output: str) -> Problem:
    """The tests are statements."""
    before = [*record.get("test_imports", []), record.get("test_setup_code", "")]
    return Problem("", output, "\n".join([*before, *record["test_list"]]) + "\n", [])


KINDS: dict[str, Callable[[Mapping[str, Any], str], Problem]] = {
    "humaneval": _humaneval,
    "mbpp": _mbpp,
    "evalplus": read_evalplus,
    "apps": read_apps,
    "programs": read_program,
}


def read_problem(kind: str, record: Mapping[str, Any], output: str, place: str) -> Problem:
    """Reads the problem that a record states.

    Args:
        kind: The form of its tests, one of `KINDS`.
        record: As published.
        output: Its reference, a whole program or the rest of one.
        place: Where it stands, for the message.

    Raises:
        StudyError: A field is missing or of another type.
    """
    with _reading(kind, place):
        return KINDS[kind](record, output)


def read_texts(kind: str, record: Mapping[str, Any], texts: Row, place: str) -> Row:
    """Reads a record's request and reference where its fields have them in a form of the data set's own, as APPS does.

    Args:
        kind: The form of its tests, one of `KINDS`.
        record: As published.
        texts: Its instruction, input and output as they stand in its fields.
        place: Where it stands, for the message.

    Raises:
        StudyError: A field is missing or of another type.
    """
    if kind != "apps":
        return texts
    with _reading(kind, place):
        return read_texts_of_apps(record, texts)


@contextmanager
def _reading(kind: str, place: str) -> Iterator[None]:
    """Says of a record that has no such tests where it stands."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"the field {error} is missing" if isinstance(error, KeyError) else reason_in_short(error)
        raise StudyError(
            f"{place}: no unit tests of the kind '{kind}' ({reason}). Check 'unit_tests' in the data set's entry."
        ) from None
