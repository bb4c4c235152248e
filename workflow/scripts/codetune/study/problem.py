"""The noun Problem: a function or a program to be written, and unit tests for it."""

from dataclasses import dataclass

PROGRAM = "__main__"  # the name by which tests of a whole program call it: with its input, for its output


@dataclass(frozen=True)
class Case:
    """A test case: one call, and what it may give.

    Attributes:
        arguments: Literal of the tuple of the positional arguments; of a program that is the text that it reads.
        accepted: Literal of the list of the values that are right; of a program they are the texts that it writes.
    """

    arguments: str
    accepted: str


@dataclass(frozen=True)
class Problem:
    """A function or a program to be written, and tests that call it.

    Attributes:
        stub: The start of the program up to the function's docstring; empty if there is none. With test cases: imports,
            one a line, of which an answer gets those that it uses.
        reference: A whole program that passes the tests; with test cases it may be missing, as an empty text.
        tests: Source code that runs among the names of that program and raises an exception if a test fails. With test
            cases: source code that defines `same`, which compares a result with one that is accepted.
        entries: Names of the functions that are tested; empty if they are those of the reference that the tests name.
            With test cases: one name, `PROGRAM` for that of a program.
        cases: The test cases; None where the tests are source code alone.
    """

    stub: str
    reference: str
    tests: str
    entries: list[str]
    cases: list[Case] | None = None
