"""Problems whose answers are programs: what a record says of its unit tests, in one form for all data sets."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import Row, reason_in_short
from codetune.data.cases import read_apps, read_program, read_texts_of_apps
from codetune.study.problem import Problem

# How EvalPlus compares results: they are equal, or floats within a tolerance.
_COMPARE = """
def _near(found, expected, within):
    if type(found) in (list, tuple) and type(expected) in (list, tuple):
        return len(found) == len(expected) and all(map(_near, found, expected, [within] * len(found)))
    return abs(found - expected) <= within + 1e-7 * abs(expected)


def _floats(value):
    return type(value) is float or type(value) in (list, tuple) and bool(value) and all(map(_floats, value))


def _same(found, expected):
    within = ATOL or (1e-6 if _floats(expected) else 0)
    return found == expected or bool(within) and type(found) is type(expected) and _near(found, expected, within)


for _found, _expected in zip(_inputs(), _inputs()):
    assert _same(ENTRY(*_found), _reference(*_expected))
"""


def _humaneval(record: Mapping[str, Any], output: str) -> Problem:
    """The tests are a function `check`, which gets the function to test."""
    entry, stub = str(record["entry_point"]), str(record["prompt"])
    return Problem(stub, _whole(stub, output, entry), f"{record['test']}\ncheck({entry})\n", [entry])


def _mbpp(record: Mapping[str, Any], output: str) -> Problem:
    """The tests are statements."""
    before = [*record.get("test_imports", []), record.get("test_setup_code", "")]
    return Problem("", output, "\n".join([*before, *record["test_list"]]) + "\n", [])


def _evalplus(record: Mapping[str, Any], output: str) -> Problem:
    """The tests are lists of arguments, for which the answer and the reference have to give the same."""
    entry, prompt = str(record["entry_point"]), str(record["prompt"])
    stub = prompt if _defines(prompt, entry) else ""
    inputs = [*record["base_input"], *(record["plus_input"] or [])]
    named = f"inf = float('inf')\nnan = float('nan')\n\n\ndef _inputs():\n    return {inputs!r}\n"
    compare = _COMPARE.replace("ATOL", repr(float(record["atol"]))).replace("ENTRY", entry)
    return Problem(stub, f"{_whole(stub, output, entry)}\n_reference = {entry}\n", named + compare, [entry])


KINDS: dict[str, Callable[[Mapping[str, Any], str], Problem]] = {
    "humaneval": _humaneval,
    "mbpp": _mbpp,
    "evalplus": _evalplus,
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


def _whole(stub: str, output: str, entry: str) -> str:
    """The program that a reference is, or is the rest of."""
    return output if _defines(output, entry) or not stub else stub + output


def _defines(text: str, entry: str) -> bool:
    return re.search(rf"^(async +)?def +{re.escape(entry)}\b", text, re.MULTILINE) is not None
