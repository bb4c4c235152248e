"""Test cases in the sandbox: programs and functions, right and wrong ones, and such as attack."""

import json
import random

import pytest
from codetune.data.problems import read_problem
from codetune.execution.guests import judge
from codetune.execution.record_tests import record_and_check
from codetune.execution.running import NO_PROGRAM, find_program

FUEL = 3 * 10**9 // 2
SUMS = [("1 2\n", "3\n"), ("3 4\n", "7\n"), ("5 5\n", "10\n")]
ADD = "a, b = map(int, input().split())\nprint(a + b)\n"


def apps(cases, reference="", **more):
    inputs, outputs = map(list, zip(*cases, strict=True))
    return read_problem(
        "apps", {"input_output": json.dumps({"inputs": inputs, "outputs": outputs} | more)}, reference, "x"
    )


@pytest.fixture(scope="module")
def sums(sandbox):
    """The problem to add two numbers, with its reference."""
    return record_and_check(sandbox, apps(SUMS, ADD))


def found(sandbox, recorded, answer):
    """How many cases pass, and what is wrong."""
    verdict = judge(sandbox, recorded, answer, FUEL)
    assert verdict.passed is (verdict.error == "") is (verdict.passed_cases == verdict.cases)
    assert bool(verdict.call) is (not verdict.passed and verdict.error not in ("no program", "no function"))
    return verdict.passed_cases, verdict.error


RIGHT = {
    "input": ADD,
    "lines of the standard input": "import sys\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))",
    "all of it": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "its bytes": "import sys\nsys.stdout.buffer.write(b'%d' % sum(map(int, sys.stdin.buffer.readline().split())))",
    "as a file": "print(sum(map(int, open(0).read().split())))",
    "as a file of bytes": "print(sum(map(int, open('/dev/stdin', 'rb').read().split())))",
    "imports that APPS has": "print(sum(map(int, sys.stdin.readline().split())))",
    "a main function": "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__': main()",
    "an exit": f"{ADD}exit()\nprint('more')",
    "an exit with an error": f"import sys\n{ADD}sys.exit('done')",
    "white space": "a, b = map(int, input().split())\nprint(a + b, ' ')\nprint()",
    "a closed output": f"import sys\n{ADD}sys.stdout.close()",
    "words around": f"This is it:\n```python\n{ADD}```\nFor `1 2` it prints\n```\n3\n```\n",
    "no fence": f"The program is as follows.\n\n{ADD}\nI hope that this helps!",
}


@pytest.mark.parametrize("answer", RIGHT.values(), ids=RIGHT)
def test_right_programs(sandbox, sums, answer):
    assert found(sandbox, sums, answer) == (3, "")


@pytest.mark.parametrize(
    ("answer", "passed", "error"),
    [
        ("print(3)", 1, "wrong answer"),
        ("a, b = map(int, input().split())\nprint(a + b if a < 5 else 0)", 2, "wrong answer"),
        ("a, b = map(int, input().split())\nwhile a == 5:\n    pass\nprint(a + b)", 2, "out of fuel"),
        ("a, b = map(int, input().split())\nwhile a == 3:\n    pass\nprint(a + b)", 1, "out of fuel"),
        ("a, b = map(int, input().split())\nprint(a + b if a != 3 else [0] * 10**9)", 2, "out of memory"),
        ("a, b = map(int, input().split())\n1 / (a - 3)\nprint(a + b)", 2, "ZeroDivisionError"),
        ("a, b = map(int, input().split())\nprint(a + b)\ninput()", 0, "EOFError"),
        ("import numpy\nprint(3)", 0, "ModuleNotFoundError"),
        ("try:\n    seen += 1\nexcept NameError:\n    seen = 1\n" + ADD + "assert seen == 2", 0, "AssertionError"),
        ("import math\nmath.seen = getattr(math, 'seen', 0) + 1\nassert math.seen < 3\n" + ADD, 2, "AssertionError"),
        (
            "a, b = map(int, input().split())\nprint(a + b)\nimport os\nos._exit(0) if a == 3 else None",
            1,
            "ended early",
        ),
        ("I cannot do that.", 0, "no program"),
        ("", 0, "no program"),
    ],
)
def test_other_programs(sandbox, sums, answer, passed, error):
    assert found(sandbox, sums, answer) == (passed, error)


def test_the_first_case_that_fails_is_told(sandbox, sums):
    verdict = judge(sandbox, sums, "print(3)", FUEL)
    assert verdict.call == "the input '3 4\\n'"
    long = record_and_check(sandbox, apps([("1 " * 500, "0")]))
    assert judge(sandbox, long, "print(1)").call == f"the input '{'1 ' * 500}"[:210] + "..."


# The first two look for the output of the third case, which they write only if they find it in the guest.
WANTED = "chr(39) + str(2 * 5) + chr(92)"
DECEIVING = {
    "names of the frames below": f"""import sys
frame, seen = sys._getframe(), ""
while frame:
    seen += str(frame.f_locals) + str(frame.f_globals)
    frame = frame.f_back
print(10 if {WANTED} in seen else 0)
""",
    "all objects": f"""import gc
seen = [str(one) for one in gc.get_objects() if type(one) in (list, dict, tuple)]
print(10 if any({WANTED} in one for one in seen) else 0)
""",
    "a file of tests": "print(open('input_output.json').read())",
    "a forged verdict": "import os\nos.write(1, b'3\\n' * 9)\nos._exit(0)",
    "forged results": "import os\nos.write(1, b\"('returned', True,)\\n\" * 9)\nos._exit(0)",
    "a text that is equal to all": """import builtins
class Any(str):
    def __eq__(self, other): return True
    def splitlines(self): return []
builtins.map = lambda *_: Any()
print(Any())
""",
    "another encoder": """import sys
sys.modules["codetune.execution.running"].encode = lambda *_, **__: "('returned', True,)"
""",
}


def test_what_these_look_for_is_the_output(sums):
    assert eval(WANTED) in sums.problem.cases[2].accepted


@pytest.mark.parametrize("answer", DECEIVING.values(), ids=DECEIVING)
def test_no_program_deceives(sandbox, sums, answer):
    assert found(sandbox, sums, answer)[0] == 0


def test_cases_are_judged_whatever_becomes_of_the_reference(sandbox):
    for reference, said in (("", "missing"), ("print(3)", "wrong answer"), (ADD, None)):
        recorded = record_and_check(sandbox, apps(SUMS, reference))
        assert (recorded.refused, recorded.reference) == ("", said)
        assert (recorded.fuel > 0) is (said is None)
        assert found(sandbox, recorded, ADD) == (3, "")


def test_a_problem_without_cases_cannot_be_judged(sandbox):
    for tests in ("", "{}", json.dumps({"inputs": [], "outputs": []})):
        problem = read_problem("apps", {"input_output": tests}, ADD, "x")
        assert record_and_check(sandbox, problem).refused == "the record has no test cases"


@pytest.mark.parametrize(
    ("written", "expected", "right"),
    [
        ("3", "3\n", True),
        ("3.0", "3", True),
        ("3.14159", "3.141592653589793", True),
        ("3.141", "3.141592653589793", False),
        ("1000000006", "1000000007", False),
        ("1  2\n\n3", "1 2\n3\n", True),
        ("1\n2", "1 2", False),
        ("yes", "YES", False),
        ("1.00000001 a", "1.0 a", False),
        ("x 1.0", "x 1.0", True),
        ("nan", "0.5", False),
        ("", "\n", True),
        ("", "0", False),
    ],
)
def test_outputs_are_compared(written, expected, right):
    names = {}
    exec(apps(SUMS).tests, names)
    assert names["same"](written, expected) is right


METHOD = """class Solution:
    def shift(self, numbers: List[int], by: int):
        return [one + by for one in numbers], sum(numbers) + by
"""
FUNCTIONS = [
    ("def shift(numbers, by):\n    return [one + by for one in numbers], sum(numbers) + by", 1, "wrong answer"),
    ("def shift(numbers, by):\n    return ([4, 5], 6) if by == 3 and numbers != [0] else [[9], 9]", 2, ""),
    (METHOD, 1, "wrong answer"),
    (f"```python\n{METHOD}```\nIt shifts.", 1, "wrong answer"),
    (METHOD.replace("shift", "other"), 0, "AttributeError"),
    ("class Solution:\n    seen = 0\n    def shift(self, numbers, by):\n        return missing", 0, "NameError"),
    ("def other():\n    pass", 0, "no function"),
]


@pytest.mark.parametrize(("answer", "passed", "error"), FUNCTIONS)
def test_functions_and_methods(sandbox, answer, passed, error):
    cases = [([[1, 2], 3], [[4, 5], 6]), ([[0], 3], [[9], 9])]
    recorded = record_and_check(sandbox, apps(cases, fn_name="shift"))
    assert found(sandbox, recorded, answer) == (passed, error)


def test_a_value_may_stand_in_a_list_of_its_own(sandbox):
    recorded = record_and_check(sandbox, apps([(["a"], ["A"]), (["b"], "B"), ([{"1": 2}], [{"1": 2}])], fn_name="f"))
    answer = "def f(x):\n    return x.upper() if isinstance(x, str) else x if list(x) == [1] else None"
    assert found(sandbox, recorded, answer) == (3, "")


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("x = 1\nprint(x)", "x = 1\nprint(x)\n"),
        ("Sure!\n```\nx = 1\n```\nand\n```\nx = 1\nprint(x)\n```", "\nx = 1\nprint(x)\n"),
        ("1. So:\n\n   ```python\n   print(1)\n   ```", "\nprint(1)\n"),
        ("print(1)\nfor x in (", "print(1)\n"),
        ("x = 1\nprint(x)\n```\nIt prints\n```\n1\n```", "x = 1\nprint(x)\n"),
    ],
)
def test_the_program_is_found(text, program):
    code, problem = find_program(text)
    assert (code.strip(), problem) == (program.strip(), "")


@pytest.mark.parametrize(("text", "why"), [("No, not that.", NO_PROGRAM), ("print(1", "syntax error")])
def test_why_there_is_no_program(text, why):
    assert find_program(text) == (None, why)


def lookup(cases):
    """A program that knows some cases, and prints nothing in others."""
    known = {one["input"]: one["output"][0] for one in cases}
    return f"import sys\n\nprint({known!r}.get(sys.stdin.read(), ''))\n"


def test_problems_of_apps_are_judged_case_by_case(sandbox, real):
    file = real / "apps-sample/selected150.jsonl"
    if not file.exists():
        pytest.skip(f"the sample of APPS is not at {file}")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    for record in random.Random(0).sample(records, 5):
        cases = record["test_list"]
        recorded = record_and_check(sandbox, read_problem("programs", record, "", "x"))
        told = {one["input"] for one in cases[:3]}
        passing = sum(one["input"] in told or str(one["output"][0]).strip() == "" for one in cases)
        assert found(sandbox, recorded, lookup(cases)) == (len(cases), "")
        assert found(sandbox, recorded, lookup(cases[:3])) == (passing, "wrong answer")
