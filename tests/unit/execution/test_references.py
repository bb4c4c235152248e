"""The references of HumanEval and MBPP pass their own tests in the sandbox: a sample of them, drawn by seed.

For all of them, in half an hour of a core: PYTHONPATH=workflow/scripts python tests/try_references.py DATA
"""

import random

import pytest
from codetune.base.errors import StudyError
from codetune.data.problems import read_problem
from codetune.execution.record_tests import record_and_check
from try_references import SETS, problems_of

# Whose tests make objects of the reference's own classes, or need ten times the fuel; by their numbers in the set.
LEFT_OUT = {"mbpp": {122, 366, 532, 600, 926}, "mbpp-sanitized": {71}, "humaneval-plus": {15, 100, 130}}


@pytest.mark.parametrize("name", SETS)
def test_references_pass_their_tests(real, sandbox, name):
    problems = {number: one for number, one in problems_of(real, name).items() if number not in LEFT_OUT.get(name, ())}
    for number in random.Random(0).sample(sorted(problems), 2 if name.endswith("plus") else 6):
        assert record_and_check(sandbox, problems[number]).refused == "", number


def test_a_problem_without_its_fields_is_refused():
    message = r"x.jsonl, line 1: no unit tests of the kind 'mbpp' \(the field 'test_list' is missing\)"
    with pytest.raises(StudyError, match=message):
        read_problem("mbpp", {}, "", "x.jsonl, line 1")
