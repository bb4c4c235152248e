"""Problems of EvalPlus: what the arguments of their calls are, and which values are right."""

import ast
import gzip
import json

import pytest
from codetune.data.evalplus import read_evalplus
from problems_here import passes

RECORD = {"prompt": '"""Text."""', "plus_input": [], "atol": 0}
# Where the arguments in a task's own statements are not those that EvalPlus gives: lists that are tuples,
# whole numbers that are complex ones, a value computed, a name twice, other dictionaries.
OTHERS = {87, 98, 104, 124, 140, 145, 252, 301, 596, 803}


def problem_of(task, entry, given, reference, **more):
    return read_evalplus(RECORD | {"task_id": task, "entry_point": entry, "base_input": given} | more, reference)


def arguments_of(problem):
    names = {}
    exec(problem.tests.split("def _near")[0], names)
    return names["_inputs"]()


def test_arguments_are_those_of_each_task_s_own_statements(real):
    lines = gzip.open(real / "mbpp-plus/MbppPlus-NoExtreme.jsonl.gz", "rt", encoding="utf-8")
    records = [json.loads(line) for line in lines]
    assert len(records) == 378
    for record in records:
        if int(record["task_id"].split("/")[1]) in OTHERS:
            continue
        problem = read_evalplus(record, record["canonical_solution"])
        given = arguments_of(problem)[: len(record["base_input"])]
        nodes = [one for one in ast.walk(ast.parse(record["assertion"])) if isinstance(one, ast.Call)]
        calls = [one.args for one in nodes if ast.unparse(one.func) == record["entry_point"]]
        stated = [[ast.literal_eval(argument) for argument in arguments] for arguments in calls]
        assert sorted(repr(list(one)) for one in given) == sorted(map(repr, stated)), record["task_id"]


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        ("Mbpp/2", [[1, 2], [3]], [(1, 2), (3,)]),
        ("Mbpp/63", [[[1, 2], [3]]], [[(1, 2), (3,)]]),
        ("Mbpp/259", [[[1], [2]], [[3]]], [((1,), (2,)), ((3,),)]),
        ("Mbpp/106", [[5, 6], [9]], [[5, 6], (9,)]),
        ("Mbpp/124", ["1e-100", "(-0-1j)"], [1e-100, complex("-0-1j")]),
        ("Mbpp/252", ["(inf+2j)"], [complex("inf+2j")]),
        ("Mbpp/580", [[1, [2, [3]]]], [(1, (2, (3,)))]),
        ("Mbpp/3", [[1, 2]], [[1, 2]]),
        ("HumanEval/2", [[1, 2]], [[1, 2]]),
    ],
)
def test_what_json_has_no_form_for_is_what_the_task_means(task, given, expected):
    found = arguments_of(problem_of(task, "f", [given], "def f(*_): pass"))
    assert repr(found) == repr([expected])


RIGHT = [
    ("Mbpp/2", "similar_elements", [[[4, 5], [5, 4]]], "return (4, 5)", {"return (5, 4)": 1, "return (5, 6)": 0}),
    ("Mbpp/737", "check_str", [["a"]], "return 3", {"return True": 1, "return 'a'": 1, "return None": 0}),
    ("Mbpp/737", "check_str", [["a"]], "return None", {"return False": 1, "return None": 1, "return True": 0}),
    ("Mbpp/164", "are_equivalent", [[1, 2]], "return True", {"return False": 1}),
    ("Mbpp/295", "sum_div", [[4]], "return 3", {"return 0": 1, "return 3": 1, "return 2": 0}),
    ("Mbpp/581", "surface_Area", [[3, 4]], "return 33", {"return 33": 1, "return 35": 1, "return 34": 0}),
    ("Mbpp/558", "digit_distance_nums", [[9, 123]], "return 0", {"return 9": 1, "return 0": 1, "return 8": 0}),
    ("HumanEval/32", "find_zero", [[[2, -3, 1]]], "return 1.0", {"return 2.0": 1, "return 1.5": 0}),
    ("HumanEval/1", "sum_div", [[4]], "return 3", {"return 0": 0}),
]


@pytest.mark.parametrize(("task", "entry", "given", "reference", "answers"), RIGHT)
def test_where_several_values_are_right_each_of_them_is(task, entry, given, reference, answers):
    head = f"def {entry}(*_):\n    "
    problem = problem_of(task, entry, given, head + reference, atol=1e-4 if entry == "find_zero" else 0)
    assert {answer: passes(problem, head + answer) for answer in answers} == answers
