"""Generates problems with unit tests from a seed: a test set in MBPP's format, and records in APPS's.

Usage: python demo/make_problems.py OUTPUT.json [--count N] [--seed S]

The problems are clean-room, of a kind that demo/make_samples.py has samples of.
"""

import argparse
import json
import random
from pathlib import Path

from make_samples import NOUNS, OPS

RESULTS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


def make_problems(count: int, seed: int) -> list[dict[str, object]]:
    """Makes problems: a task, a reference, and three unit tests."""
    rng = random.Random(seed)
    return [_problem(rng) for _ in range(count)]


def make_programs(count: int, seed: int) -> list[dict[str, str]]:
    """Makes problems in APPS's format that all differ: two of three want a function, the others a whole program."""
    rng = random.Random(seed)
    found: dict[str, dict[str, str]] = {}
    while len(found) < count:
        problem = _program(rng, whole=rng.random() < 1 / 3)
        found.setdefault(problem["question"], problem)
    return list(found.values())


def _problem(rng: random.Random) -> dict[str, object]:
    (first, second), (name, op, words) = rng.sample(NOUNS, 2), rng.choice(OPS)
    return {
        "text": f"Write a Python function to compute {words} {first} and {second}.",
        "code": f"def {name}_of({first}, {second}):\n    return {first} {op} {second}",
        "test_list": [f"assert {name}_of({a}, {b}) == {RESULTS[op](a, b)}" for a, b in _pairs(rng)],
    }


def _program(rng: random.Random, whole: bool) -> dict[str, str]:
    (first, second), (name, op, words) = rng.sample(NOUNS, 2), rng.choice(OPS)
    pairs = _pairs(rng)
    results = [RESULTS[op](a, b) for a, b in pairs]
    if whole:
        question = f"Write a Python program that reads {first} and {second}, a line each, and prints {words} both."
        solution = f"{first} = int(input())\n{second} = int(input())\nprint({first} {op} {second})"
        tests = {"inputs": [f"{a}\n{b}\n" for a, b in pairs], "outputs": [f"{result}\n" for result in results]}
        return _of_apps(question, "", solution, tests)
    head = f"def {name}_of({first}, {second}):"
    question = f"Write a Python function to compute {words} {first} and {second}."
    called = {"fn_name": f"{name}_of", "inputs": pairs, "outputs": results}
    return _of_apps(question, head, f"{head}\n    return {first} {op} {second}", called)


def _of_apps(question: str, head: str, solution: str, tests: dict[str, object]) -> dict[str, str]:
    """A record as APPS has it: solutions and tests are texts in JSON."""
    record = {"question": question, "starter_code": head}
    return record | {"solutions": json.dumps([solution]), "input_output": json.dumps(tests)}


def _pairs(rng: random.Random) -> list[tuple[int, int]]:
    return [(rng.randint(-99, 99), rng.randint(1, 99)) for _ in range(3)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Generates a test set with unit tests in MBPP's format.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(make_problems(arguments.count, arguments.seed), indent=1))
