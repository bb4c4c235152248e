"""Runs the tests of HumanEval, MBPP and EvalPlus on their references in the sandbox, and prints those that fail.

Usage: PYTHONPATH=workflow/scripts python tests/try_references.py DATA [SET ...]

DATA is the folder with `humaneval/`, `mbpp/` and the like. The interpreter is fetched into `build/interpreter/`.
"""

import sys
import time
from collections import Counter
from pathlib import Path

from codetune.data.formats import read_rows
from codetune.data.problems import read_problem
from codetune.execution.interpreter import Interpreter, fetch_interpreter
from codetune.execution.record_tests import record_and_check
from codetune.execution.sandbox import Sandbox
from codetune.study.problem import Problem

SETS = {
    "humaneval": ("humaneval", "humaneval/HumanEval.jsonl.gz"),
    "mbpp-sanitized": ("mbpp", "mbpp/sanitized-mbpp.json"),
    "mbpp": ("mbpp", "mbpp/mbpp.jsonl"),
    "humaneval-plus": ("evalplus", "humaneval-plus/HumanEvalPlus-NoExtreme.jsonl.gz"),
    "mbpp-plus": ("evalplus", "mbpp-plus/MbppPlus-NoExtreme.jsonl.gz"),
}


def problems_of(data: Path, name: str) -> dict[int, Problem]:
    """Reads the problems of a set, by the numbers of their records."""
    kind, file = SETS[name]
    records = read_rows(data / file)
    outputs = [record.get("code") or record["canonical_solution"] for record in records]
    return {
        number: read_problem(kind, record, output, f"{file}, record {number}")
        for number, (record, output) in enumerate(zip(records, outputs, strict=True))
    }


def main(data: Path, names: list[str]) -> None:
    """Tries the sets."""
    path = Path("build/interpreter/python.wasm")
    if not path.exists():
        fetch_interpreter(path)
    sandbox = Sandbox(Interpreter(path))
    for name in names or SETS:
        endings: Counter[str] = Counter()
        start = time.process_time()
        for number, problem in problems_of(data, name).items():
            refused = record_and_check(sandbox, problem).refused
            endings["refused" if refused else "passed"] += 1
            if refused:
                print(f"{name}, record {number}: {refused}", flush=True)
        print(f"{name}: {dict(endings)} in {time.process_time() - start:.0f} s of a core", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
