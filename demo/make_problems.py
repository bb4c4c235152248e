"""Generates a test set with unit tests, in MBPP's format, from a seed.

Usage: python demo/make_problems.py OUTPUT.json [--count N] [--seed S]

The problems are clean-room, of a kind that demo/make_samples.py has samples of.
"""

import argparse
import json
import random
from pathlib import Path

from make_samples import NOUNS, OPS


def make_problems(count: int, seed: int) -> list[dict[str, object]]:
    """Makes problems: a task, a reference, and three unit tests."""
    rng = random.Random(seed)
    return [_problem(rng) for _ in range(count)]


def _problem(rng: random.Random) -> dict[str, object]:
    (first, second), (name, op, words) = rng.sample(NOUNS, 2), rng.choice(OPS)
    pairs = [(rng.randint(-99, 99), rng.randint(1, 99)) for _ in range(3)]
    results = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
    return {
        "text": f"Write a Python function to compute {words} {first} and {second}.",
        "code": f"def {name}_of({first}, {second}):\n    return {first} {op} {second}",
        "test_list": [f"assert {name}_of({a}, {b}) == {results[op](a, b)}" for a, b in pairs],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Generates a test set with unit tests in MBPP's format.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(make_problems(arguments.count, arguments.seed), indent=1))
