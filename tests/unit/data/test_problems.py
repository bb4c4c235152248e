"""Unit tests of records, in the forms in which data sets publish them."""

import pytest
from codetune.base.errors import StudyError
from codetune.data.problems import read_problem
from codetune.data.shapes import find_records
from codetune.study.problem import Problem

HEAD = 'def double(number):\n    """Doubles a number."""\n'
HUMANEVAL = {"prompt": HEAD, "entry_point": "double", "test": "def check(candidate):\n    assert candidate(2) == 4\n"}
MBPP = {"test_list": ["assert double(2) == 4"], "test_setup_code": "x = 1", "test_imports": ["import math"]}
PLUS = {"prompt": HEAD, "entry_point": "double", "base_input": [[2]], "plus_input": [[0.5], [[1]]], "atol": 0}


def passes(problem, answer):
    """Whether an answer passes in this process."""
    names = {}
    exec(problem.reference, names)
    exec(answer, names)
    try:
        exec(problem.tests, names)
    except AssertionError:
        return False
    return True


def test_the_reference_may_be_the_rest_of_the_stub_or_a_whole_program():
    whole = f"{HEAD}    return 2 * number\n"
    rest = read_problem("humaneval", HUMANEVAL, "    return 2 * number\n", "here")
    assert rest == read_problem("humaneval", HUMANEVAL, whole, "here")
    assert rest == Problem(HEAD, whole, f"{HUMANEVAL['test']}\ncheck(double)\n", ["double"])


def test_statements_come_after_what_they_need():
    problem = read_problem("mbpp", MBPP, "def double(number): return 2 * number", "here")
    assert problem.tests == "import math\nx = 1\nassert double(2) == 4\n"
    assert problem.entries == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("def double(number): return number + number", True),
        ("def double(number): return number * 2 if number == [1] else number * 2 + 1e-9", True),
        ("def double(number): return 4", False),
        ("def double(number): return number * 2 if number == [1] else number * 2 + 1e-3", False),
    ],
)
def test_arguments_are_given_to_both_and_results_of_floats_are_compared_within_a_tolerance(answer, expected):
    floats = PLUS | {"base_input": [[2.0]]}
    assert passes(read_problem("evalplus", floats, "    return 2 * number\n", "here"), answer) is expected


def test_a_text_is_no_stub():
    problem = read_problem(
        "evalplus", PLUS | {"prompt": '"""Double it."""'}, "def double(n):\n    return 2 * n\n", "here"
    )
    assert problem.stub == ""
    assert problem.reference.startswith("def double(n)")


@pytest.mark.parametrize(
    ("kind", "record"), [("humaneval", {"prompt": "x"}), ("mbpp", {"test_list": 4}), ("evalplus", PLUS | {"atol": "x"})]
)
def test_what_is_no_unit_test_is_refused_with_its_place(kind, record):
    with pytest.raises(StudyError, match=f"f.json, record 3: no unit tests of the kind '{kind}'.*Check 'unit_tests'"):
        read_problem(kind, record, "", "f.json, record 3")


def test_records_have_their_problem_with_them():
    fields = {"instruction": ["text"], "output": ["code"]}
    row = MBPP | {"text": "Double it.", "code": "def double(number): return 2 * number"}
    (record,) = find_records("f", [row], fields, unit_tests="mbpp").records
    assert record["problem"]["tests"].endswith("assert double(2) == 4\n")
    assert "problem" not in find_records("f", [row], fields).records[0]
