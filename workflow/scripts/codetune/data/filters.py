"""Filters of records, by the names that a data set's `keep` in the config has."""

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence

from codetune.base.files import Row
from codetune.study.dataset import NO_INPUT, PYTHON_PARSES


def keep_records(records: Mapping[int, Row], filters: Sequence[str]) -> tuple[dict[int, Row], dict[str, int]]:
    """Applies filters, one after the other.

    Args:
        records: The records as published, by their numbers.
        filters: Names of the filters.

    Returns:
        The records that pass all of them, by their numbers, and how many were left after each filter.
    """
    kept, counts = dict(records), {}
    for name in filters:
        passes = KINDS[name]
        kept = {number: record for number, record in kept.items() if passes(record)}
        counts[name] = len(kept)
    return kept, counts


def has_no_input(record: Row) -> bool:
    """Whether a record as published has an empty input; one that spells "noinput" out is not empty."""
    return not record["input"].strip()


def parses_as_python(record: Row) -> bool:
    """Whether Python's own parser takes the output of a record for a program; an empty one is one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of code in the data
        try:
            ast.parse(record["output"])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


KINDS: Mapping[str, Callable[[Row], bool]] = {NO_INPUT: has_no_input, PYTHON_PARSES: parses_as_python}
