"""The references of HumanEval and MBPP pass their own tests in the sandbox: a sample of them, drawn by seed.

For all of them, in half an hour of a core: PYTHONPATH=workflow/scripts python tests/try_references.py DATA
"""

import random

import pytest
from codetune.base.errors import StudyError
from codetune.execution.guests import judge, record
from codetune.execution.problems import read_problem
from try_references import SETS, problems_of

# Whose tests make objects of the reference's own classes, or need ten times the fuel; by their numbers in the set.
REFUSED = {"mbpp": {122, 366, 600, 926}}


@pytest.mark.parametrize("name", SETS)
def test_references_pass_their_tests(real, sandbox, name):
    problems = [one for one in problems_of(real, name) if one.id not in REFUSED.get(name, ())]
    for problem in random.Random(0).sample(problems, 8):
        recorded = record(sandbox, problem)
        assert recorded.refused == "", problem.id
        verdict = judge(sandbox, recorded, problem.reference)
        assert verdict.passed, (problem.id, verdict)


def test_a_problem_without_its_fields_is_refused():
    with pytest.raises(StudyError, match=r"x.jsonl, line 1: no problem of the kind 'mbpp' \(KeyError: 'test_list'\)"):
        read_problem("mbpp", 0, {"code": ""}, "x.jsonl, line 1")
