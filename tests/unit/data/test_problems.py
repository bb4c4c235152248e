"""Unit tests of records, in the forms in which data sets publish them."""

import ast
import json

import pytest
from codetune.base.errors import StudyError
from codetune.data.cleaning import clean
from codetune.data.problems import read_problem
from codetune.data.shapes import find_records
from codetune.study.problem import PROGRAM, Case, Problem
from problems_here import passes

HEAD = 'def double(number):\n    """Doubles a number."""\n'
HUMANEVAL = {"prompt": HEAD, "entry_point": "double", "test": "def check(candidate):\n    assert candidate(2) == 4\n"}
MBPP = {"test_list": ["assert double(2) == 4"], "test_setup_code": "x = 1", "test_imports": ["import math"]}
PLUS = {
    "task_id": "HumanEval/0",
    "prompt": HEAD,
    "entry_point": "double",
    "base_input": [[2]],
    "plus_input": [[0.5], [[1]]],
    "atol": 0,
}


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
    ("kind", "record"),
    [
        ("humaneval", {"prompt": "x"}),
        ("mbpp", {"test_list": 4}),
        ("evalplus", PLUS | {"atol": "x"}),
        ("apps", {"question": "x"}),
        ("apps", {"input_output": "{"}),
        ("apps", {"input_output": '{"inputs": 3, "outputs": []}'}),
        ("apps", {"input_output": "[1]"}),
        ("programs", {"test_list": [{"input": "x"}]}),
        ("programs", {"test_list": ["x"]}),
    ],
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


def apps(inputs, outputs, **more):
    return {"input_output": json.dumps({"inputs": inputs, "outputs": outputs} | more)}


def test_programs_of_apps_read_texts_or_lines():
    problem = read_problem("apps", apps(["1\n", ["2", "3"]], ["x\n", ["y", "z"]]), "print(1)", "here")
    assert (problem.entries, problem.reference) == ([PROGRAM], "print(1)")
    assert problem.cases == [Case(r"('1\n',)", r"['x\n']"), Case(r"('2\n3',)", r"['y\nz']")]


def test_functions_of_apps_get_arguments_and_give_a_value_or_a_list_with_it():
    tests = apps([[1, [None, True]], [], [{"1": 2}]], [[3], 1e999, {"-1": "x", "2": float("nan")}], fn_name="f")
    problem = read_problem("apps", tests, "", "here")
    assert problem.entries == ["f"]
    assert problem.cases == [
        Case("(1, [None, True],)", "[[3], 3]"),
        Case("()", "[1e999]"),
        Case("({1: 2},)", "[{-1: 'x', 2: nan}]"),
    ]


def test_an_output_of_a_program_may_be_any_of_several():
    record = {"test_list": [{"input": "1", "output": "x"}, {"input": "", "output": ["y", 2]}]}
    problem = read_problem("programs", record, "", "here")
    assert problem.cases == [Case("('1',)", "['x']"), Case("('',)", "['y', '2']")]


APPS = {"question": "Add.", "starter_code": "", "solutions": '["print(3)", "print(4)"]'} | apps(["1 2"], ["3"])
FIELDS = {"instruction": ["question"], "input": ["starter_code"], "output": ["solutions"]}


def test_a_request_of_apps_says_what_is_wanted_and_the_first_solution_is_the_reference():
    called = APPS | {"starter_code": "\ndef add(a, b):\n\t"} | apps([[1, 2]], [3], fn_name="add")
    program, function = find_records("f", [APPS, called], FIELDS, unit_tests="apps").records
    assert (program["input"], program["output"]) == ("Use Standard Input format", "print(3)")
    assert function["input"] == "def add(a, b):\n\t\nUse Call-Based format"
    assert program["problem"]["reference"] == "print(3)"


def test_records_without_a_solution_are_kept_for_their_test_cases():
    rows = [APPS | {"solutions": ""}, APPS | {"solutions": "[]"}, APPS | {"solutions": "", "input_output": ""}]
    records = find_records("f", rows, FIELDS, unit_tests="apps").records
    samples, touched = clean(dict(enumerate(records)), benchmark=True)
    assert [(one.id, one.output, len(one.problem.cases)) for one in samples] == [(0, "", 1), (1, "", 1)]
    assert touched["dropped: empty output"] == [2]


def test_all_reformatted_records_of_apps_are_read(real):
    file = real / "apps-sample/selected150.jsonl"
    if not file.exists():
        pytest.skip(f"the sample of APPS is not at {file}")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    problems = [read_problem("programs", record, "", f"record {place}") for place, record in enumerate(records)]
    assert len(problems) == 150
    assert sum(len(problem.cases) for problem in problems) == 1842
    assert all(
        [str(value) for value in record["test_list"][0]["output"]] == ast.literal_eval(problem.cases[0].accepted)
        for record, problem in zip(records, problems, strict=True)
    )
