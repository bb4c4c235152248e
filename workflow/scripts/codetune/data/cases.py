"""Problems with test cases, which say what a program writes for an input, or what a function returns for arguments."""

import json
import re
from collections.abc import Mapping
from typing import Any

from codetune.base.files import Row
from codetune.study.problem import PROGRAM, Case, Problem

# How APPS compares what a program writes: word by word of each line that has any, or numbers within a tolerance. Whole
# numbers have none here, so that 1000000006 is not 1000000007.
_SAME_TEXT = """
def _whole(word):
    return word.lstrip("+-").isdecimal()


def _near(found, expected):
    if _whole(found) and _whole(expected):
        return int(found) == int(expected)
    return abs(float(found) - float(expected)) <= 1e-8 + 1e-5 * abs(float(expected))


def same(found, expected):
    found, expected = ([words for line in text.splitlines() if (words := line.split())] for text in (found, expected))
    if found == expected:
        return True
    if list(map(len, found)) != list(map(len, expected)):
        return False
    try:
        return all(all(map(_near, *lines)) for lines in zip(found, expected))
    except ValueError:
        return False
"""
# How APPS compares what a function returns: as equal, where tuples are lists.
_SAME_VALUE = """
def _lists(value):
    return [*map(_lists, value)] if type(value) in (list, tuple) else value


def same(found, expected):
    return _lists(found) == _lists(expected)
"""
# What APPS imports for each answer, but numpy; each line is for an answer that uses a name of it.
_IMPORTS = """import sys
import time
import itertools
from itertools import accumulate, product, permutations, combinations
import collections
from collections import Counter, OrderedDict, deque, defaultdict, ChainMap
from functools import lru_cache
import math
from math import sqrt, sin, cos, tan, ceil, fabs, floor, gcd, exp, log, log2
import fractions
from typing import List, Tuple
import random
import heapq
from heapq import heappush, heappop, heappushpop, heapify, heapreplace, merge, nlargest, nsmallest
"""
# With what APPS ends a request, for a program and for a function.
_READS, _IS_CALLED = "Use Standard Input format", "Use Call-Based format"


def read_apps(record: Mapping[str, Any], output: str) -> Problem:
    """Reads a record of APPS: its tests are inputs and outputs of a program, or of a function that they name.

    Args:
        record: As published.
        output: A program that solves it; empty if there is none.
    """
    tests = _tests_of_apps(record)
    pairs = list(zip(tests.get("inputs", []), tests.get("outputs", []), strict=False))
    entry = tests.get("fn_name")
    if entry is None:
        texts = [_case([_lines(given)], [_lines(expected)]) for given, expected in pairs]
        return Problem(_IMPORTS, output, _SAME_TEXT, [PROGRAM], texts)
    return Problem(_IMPORTS, output, _SAME_VALUE, [str(entry)], [_call(*pair) for pair in pairs])


def read_texts_of_apps(record: Mapping[str, Any], texts: Row) -> Row:
    """Reads the request and the reference of a record of APPS.

    Args:
        record: As published.
        texts: Its instruction, input and output as they stand in its fields; the output is a JSON list of solutions.

    Returns:
        The same with the sentence that ends a request of APPS, and with the first solution, if there is one.
    """
    sentence = _READS if _tests_of_apps(record).get("fn_name") is None else _IS_CALLED
    solutions = json.loads(texts["output"] or "[]")
    given = [one for one in (texts["input"].strip("\n"), sentence) if one.strip()]
    return texts | {"input": "\n".join(given), "output": str(solutions[0]) if solutions else ""}


def _tests_of_apps(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record of APPS says of its tests; nothing where it has none."""
    found: dict[str, Any] = json.loads(record["input_output"] or "{}")
    return found


def _call(given: Any, expected: Any) -> Case:
    """A test case of a function: arguments, and a value that may stand in a list of its own."""
    arguments = given if isinstance(given, list) else [given]
    accepted = [_numbered(expected)]
    if isinstance(expected, list) and expected:
        accepted.append(_numbered(expected[0]))
    return _case([*map(_numbered, arguments[:1]), *arguments[1:]], accepted)


def _numbered(value: Any) -> Any:
    """A dictionary with whole numbers as keys where all of them are some, which JSON writes as texts."""
    if isinstance(value, dict) and all(re.fullmatch(r"-?\d+", key) for key in value):
        return {int(key): one for key, one in value.items()}
    return value


def read_program(record: Mapping[str, Any], output: str) -> Problem:
    """Reads a record whose tests are inputs of a program, each with its output or a list of outputs that are right.

    Args:
        record: As published.
        output: The program; empty if there is none.
    """
    cases = []
    for one in record["test_list"]:
        expected = one["output"] if isinstance(one["output"], list) else [one["output"]]
        cases.append(_case([_lines(one["input"])], list(map(str, expected))))
    return Problem("", output, _SAME_TEXT, [PROGRAM], cases)


def _lines(value: Any) -> str:
    """A text, or its lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _case(arguments: list[Any], accepted: list[Any]) -> Case:
    return Case(f"({_literal(arguments)[1:-1]},)" if arguments else "()", _literal(accepted))


def _literal(value: Any) -> str:
    """Writes a value of JSON as a Python literal, in which infinity is a large number."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!a}: {_literal(one)}" for key, one in value.items()) + "}"
    return ascii(value).replace("inf", "1e999") if isinstance(value, float) else ascii(value)
