"""Runs the tests of HumanEval and MBPP on their own references in the sandbox, and prints those that do not pass.

Usage: PYTHONPATH=workflow/scripts python tests/try_references.py DATA [SET ...]

DATA is the folder with `humaneval/` and `mbpp/`. The interpreter is fetched into `build/interpreter/`.
"""

import gzip
import json
import sys
import time
from collections import Counter
from pathlib import Path

from codetune.execution.guests import judge, record
from codetune.execution.interpreter import Interpreter, fetch_interpreter
from codetune.execution.problems import Problem, read_problem
from codetune.execution.sandbox import Sandbox

SETS = {
    "humaneval": ("humaneval", "humaneval/HumanEval.jsonl.gz"),
    "mbpp-sanitized": ("mbpp", "mbpp/sanitized-mbpp.json"),
    "mbpp": ("mbpp", "mbpp/mbpp.jsonl"),
}


def problems_of(data: Path, name: str) -> list[Problem]:
    """Reads the problems of a set."""
    kind, file = SETS[name]
    content = (data / file).read_bytes()
    text = (gzip.decompress(content) if file.endswith(".gz") else content).decode()
    records = json.loads(text) if file.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    return [read_problem(kind, number, one, f"{file}, record {number}") for number, one in enumerate(records)]


def main(data: Path, names: list[str]) -> None:
    """Tries the sets."""
    path = Path("build/interpreter/python.wasm")
    if not path.exists():
        fetch_interpreter(path)
    sandbox = Sandbox(Interpreter(path))
    for name in names or SETS:
        endings: Counter[str] = Counter()
        start = time.process_time()
        for problem in problems_of(data, name):
            recorded = record(sandbox, problem)
            error = recorded.refused or judge(sandbox, recorded, problem.reference).error
            endings[error or "passed"] += 1
            if error:
                print(f"{name}, record {problem.id}: {error}", flush=True)
        print(f"{name}: {dict(endings)} in {time.process_time() - start:.0f} s of a core", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
