"""Mutates references of HumanEval and MBPP, and compares the sandbox's verdicts with tests that run in one process.

Usage: PYTHONPATH=workflow/scripts python tests/try_mutations.py DATA [--count N] [--seed S]

DATA is the folder with `humaneval/` and `mbpp/`. A mutant is a reference with one operator, comparison, constant or
condition changed. The process that runs a mutant with its tests has no sandbox: mutants do no more than references.
"""

import argparse
import ast
import copy
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from codetune.execution.guests import judge, record
from codetune.execution.interpreter import Interpreter, fetch_interpreter
from codetune.execution.sandbox import Sandbox
from codetune.study.problem import Problem
from try_references import problems_of

SETS = ("humaneval", "mbpp-sanitized")
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv}
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
LAST = "all tests have passed"  # printed after them, since a mutant may end the process before, without an error
SECONDS = 20  # for the tests of a mutant; the sandbox has its fuel


def places_of(tree: ast.AST) -> list[int]:
    """Returns where a program can be mutated, as places in the order of `ast.walk`."""
    return [place for place, node in enumerate(ast.walk(tree)) if _mutate(node) is not None]


def mutate(reference: str, place: int) -> str:
    """Returns a program with one node mutated."""
    tree = copy.deepcopy(ast.parse(reference))
    change = _mutate(list(ast.walk(tree))[place])
    assert change is not None  # as of all places that `places_of` gives
    change()
    return ast.unparse(tree)


def _mutate(node: ast.AST):
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return lambda: setattr(node, "op", OPERATORS[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        return lambda: node.ops.__setitem__(0, COMPARISONS[type(node.ops[0])]())
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return lambda: setattr(node, "value", node.value + 1)
    if isinstance(node, ast.If | ast.While):
        return lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    return None


def passes_in_process(problem: Problem, mutant: str) -> bool:
    """Whether a mutant passes the tests where both run in one process; one that takes too long does not."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", f"{mutant}\n{problem.tests}\nprint({LAST!r})"],
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and done.stdout.endswith(f"{LAST}\n".encode())


def main() -> None:
    """Tries mutants, and prints those of which the verdicts differ."""
    parser = argparse.ArgumentParser(description="Compares verdicts on mutated references.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    path = Path("build/interpreter/python.wasm")
    if not path.exists():
        fetch_interpreter(path)
    sandbox, rng = Sandbox(Interpreter(path)), random.Random(arguments.seed)
    problems = [(name, number, one) for name in SETS for number, one in problems_of(arguments.data, name).items()]
    chosen = [rng.choice(problems) for _ in range(arguments.count)]
    found: Counter[str] = Counter()
    for name, number, problem in chosen:
        places = places_of(ast.parse(problem.reference))
        recorded = record(sandbox, problem)
        if not places or recorded.refused:
            found["no mutant"] += 1
            continue
        mutant = mutate(problem.reference, rng.choice(places))
        verdict = judge(sandbox, replace(recorded, fuel=0), mutant)
        expected = passes_in_process(problem, mutant)
        found["equal" if verdict.passed is expected else "different"] += 1
        if verdict.passed is not expected:
            here, there = verdict.error or "passes", "passes" if expected else "fails"
            print(f"{name}, record {number}: {here} in the sandbox, {there} in one process\n{mutant}\n", flush=True)
    print(dict(found))


if __name__ == "__main__":
    main()
