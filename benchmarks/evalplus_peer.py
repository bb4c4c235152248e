"""Judges HumanEval's references by EvalPlus's runner; run by unit_tests.py in an environment of its own.

Usage: PYTHON benchmarks/evalplus_peer.py HumanEvalPlus.jsonl.gz OUTPUT.json
"""

import copy
import gzip
import json
import resource
import sys
from importlib.metadata import version
from pathlib import Path

from evalplus.eval import PASS, untrusted_check


def expected_of(problem):
    """What the reference gives on HumanEval's own inputs."""
    names = {}
    exec(problem["prompt"] + problem["canonical_solution"], names)  # noqa: S102
    return [names[problem["entry_point"]](*copy.deepcopy(given)) for given in problem["base_input"]]


def seconds():
    """Seconds of a core that this process and those it has waited for have taken."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main():
    """Judges, and writes the seconds."""
    source, target = sys.argv[1:]
    with gzip.open(source, "rt") as stream:
        problems = [json.loads(line) for line in stream]
    expected = [expected_of(problem) for problem in problems]
    start, passed = seconds(), 0
    for problem, wanted in zip(problems, expected, strict=True):
        inputs, code = problem["base_input"], problem["prompt"] + problem["canonical_solution"]
        status, _ = untrusted_check(
            "humaneval", code, inputs, problem["entry_point"], wanted, problem["atol"], [0.1] * len(inputs)
        )
        passed += status == PASS
    found = {
        "answers": len(problems),
        "passed": passed,
        "seconds": seconds() - start,
        "version": version("evalplus"),
    }
    Path(target).write_text(json.dumps(found, allow_nan=False))


if __name__ == "__main__":
    main()
