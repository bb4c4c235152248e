"""The noun Problem: a function to be written, and unit tests that call it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A function to be written, and tests that call it.

    Attributes:
        stub: The start of the program up to the function's docstring; empty if there is none.
        reference: A whole program that passes the tests.
        tests: Source code that runs among the names of that program and raises an exception if a test fails.
        entries: Names of the functions that are tested; empty if they are those of the reference that the tests name.
    """

    stub: str
    reference: str
    tests: str
    entries: list[str]
