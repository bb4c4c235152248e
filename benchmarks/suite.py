"""Runs benchmarks one after the other and gathers their rows in one table.

Usage: python benchmarks/suite.py --out FOLDER [--data FOLDER] [--only NAME] cpu|gpu

Writes FOLDER/cpu.json or gpu.json, with the rows of all, the versions and the machine; FOLDER/cpu.md or gpu.md, the
table; and beside them what each benchmark wrote. One that fails ends the run after the others have run. With --only
those run whose name begins with NAME, and of the others the results that FOLDER has stay in the table.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import ROOT, Row, reached, unit

TRAINED = ("llama-3.2-1b", "llama-3.2-3b", "gemma-2-2b", "qwen2.5-1.5b", "qwen2.5-3b")
CPU = {
    "training": ["training.py"],
    "generation": ["generation.py"],
    "scoring": ["scoring.py"],
    "tokenising": ["tokenising.py"],
    "unit-tests": ["unit_tests.py"],
    "commands": ["commands.py"],
    "makespan": ["makespan.py"],
    "memory": ["memory.py"],
    "curves": ["curves.py"],
    "smollm2-training": ["smollm2_training.py"],
    "smollm2-generation": ["smollm2_generation.py"],
}
GPU = {
    f"{script}-{model}": [f"{script}.py", "--model", model]
    for model in TRAINED
    for script in ("training", "generation")
} | {"generation-phi-3-mini": ["generation.py", "--model", "phi-3-mini"]}
WITH_DATA = ("scoring", "tokenising", "unit-tests", "smollm2-training", "smollm2-generation")
# One thread where nothing else is said: two on two cores that other programs use too can take twenty times as long.
ENVIRONMENT = {"TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}
THREADS = {"smollm2-training": "2", "smollm2-generation": "2"}  # as its study has; these need two quiet cores


def main() -> None:
    """Runs the benchmarks and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("kind", choices=["cpu", "gpu"])
    options = parser.parse_args()
    benchmarks = CPU if options.kind == "cpu" else GPU
    parts = options.out / options.kind
    chosen = {name: command for name, command in benchmarks.items() if name.startswith(options.only)}
    if not chosen:
        sys.exit(f"error: no benchmark's name begins with {options.only!r}: {', '.join(benchmarks)}")
    failed = [name for name, command in chosen.items() if not _run(name, command, parts, options.data)]
    paths = {name: path for name in benchmarks if (path := parts / f"{name}.json").exists()}
    results = {name: json.loads(path.read_text()) for name, path in paths.items()}
    rows = [Row(**row) for result in results.values() for row in result["rows"]]
    whole = {"rows": [vars(row) for row in rows], "parts": results}
    (options.out / f"{options.kind}.json").write_text(
        json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )
    (options.out / f"{options.kind}.md").write_text(table(rows))
    print(table(rows))
    if failed:
        sys.exit(f"error: failed: {', '.join(failed)}; their output is above")


def _run(name: str, command: list[str], parts: Path, data: Path | None) -> bool:
    """Runs one benchmark; whether it succeeded."""
    script, *arguments = command
    target = parts / f"{name}.json"
    target.unlink(missing_ok=True)
    arguments += ["--out", str(target)] + (["--data", str(data)] if data and name in WITH_DATA else [])
    print(f"{name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *arguments],
        env={**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": THREADS.get(name, "1")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr, flush=True)
    return done.returncode == 0


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| part | against | goal | result | reached | detail |", "|---|---|---|---:|---|---|"]
    lines += [
        f"| {row.part} | {row.against} | {_goal(row)} | {_shown(row)} | {_verdict(row)} | {row.detail} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _goal(row: Row) -> str:
    return "-" if row.goal.startswith("- ") else row.goal


def _shown(row: Row) -> str:
    return "not run" if row.result is None else f"{row.result:.3g} {unit(row)}"


def _verdict(row: Row) -> Any:
    return {True: "yes", False: "**no**", None: "-"}[reached(row)]


if __name__ == "__main__":
    main()
