"""Unit tests in the sandbox: what the answers of one model take, beside EvalPlus's own runner, which has no sandbox.

Usage: python benchmarks/unit_tests.py --out FILE.json --data FOLDER [--peer PYTHON]

FOLDER has humaneval/HumanEval.jsonl.gz, mbpp/sanitized-mbpp.json and, for the peer, humaneval-plus/. Each answer is the
reference in a fence, so it passes all tests. Calls are recorded before, once per test set. PYTHON has the package
evalplus; it runs the same answers on HumanEval's own tests, each in a process.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from common import ROOT, Row, write_result

SETS = {
    "HumanEval": ("humaneval", "humaneval/HumanEval.jsonl.gz", "canonical_solution"),
    "MBPP sanitized": ("mbpp", "mbpp/sanitized-mbpp.json", "code"),
}
PEER_DATA = "humaneval-plus/HumanEvalPlus-NoExtreme.jsonl.gz"
GOAL = "< 240 s of a core"
WHOLE = "HumanEval and MBPP sanitized, one answer per problem"
RUNNER = "EvalPlus's runner, a process per answer and no sandbox"


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--peer", type=Path, default=ROOT / "build" / "evalplus" / "bin" / "python")
    options = parser.parse_args()
    if options.data is None:
        reason = "the problems are not there: give --data"
        write_result(options.out, [Row(WHOLE, "-", GOAL, None, reason), Row("the same", RUNNER, "- x", None, reason)])
        return
    ours = {name: judge_references(options.data, name) for name in SETS}
    theirs = run_peer(options.peer, options.data)
    write_result(options.out, [whole_row(ours), peer_row(ours["HumanEval"], theirs)], ours=ours, theirs=theirs)


def judge_references(data: Path, name: str) -> dict[str, Any]:
    """Records the problems of a set and judges an answer to each; seconds of a core, and how many passed."""
    from codetune.data.formats import read_rows
    from codetune.data.problems import read_problem
    from codetune.execution.guests import judge, record

    kind, file, field = SETS[name]
    rows = read_rows(data / file)
    problems = [read_problem(kind, row, row[field], f"{file}, record {number}") for number, row in enumerate(rows)]
    sandbox, start = open_sandbox(), time.process_time()
    recorded = [record(sandbox, problem) for problem in problems]
    recording, start = time.process_time() - start, time.process_time()
    answers = [f"```python\n{problem.reference}\n```" for problem in problems]
    passed = sum(judge(sandbox, *both).passed for both in zip(recorded, answers, strict=True))
    seconds = time.process_time() - start
    return {"answers": len(answers), "passed": passed, "seconds": seconds, "recording seconds": recording}


def open_sandbox() -> Any:
    """The sandbox, with the interpreter in `build/interpreter`, where it is fetched if it is not there."""
    from codetune.execution.interpreter import Interpreter, fetch_interpreter
    from codetune.execution.sandbox import Sandbox

    path = ROOT / "build" / "interpreter" / "python.wasm"
    if not path.exists():
        fetch_interpreter(path)
    return Sandbox(Interpreter(path))


def run_peer(python: Path, data: Path) -> dict[str, Any]:
    """Runs HumanEval's references by EvalPlus: its seconds of a core, or the reason why it was not run."""
    if not python.exists():
        return {"reason": f"{python} is not there; benchmarks/README.md says how to install evalplus"}
    if not (data / PEER_DATA).exists():
        return {"reason": f"{PEER_DATA} is not in the data"}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "found.json"
        script = Path(__file__).with_name("evalplus_peer.py")
        done = subprocess.run([python, script, data / PEER_DATA, output], capture_output=True, text=True, check=False)
        if done.returncode:
            return {"reason": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
        found: dict[str, Any] = json.loads(output.read_text())
    return found


def whole_row(ours: dict[str, dict[str, Any]]) -> Row:
    """What a pass of both test sets takes."""
    parts = (
        f"{name}: {found['passed']} of {found['answers']} pass, {found['seconds']:.0f} s, "
        f"and {found['recording seconds']:.0f} s to record the calls, once per test set"
        for name, found in ours.items()
    )
    return Row(WHOLE, "-", GOAL, sum(found["seconds"] for found in ours.values()), "; ".join(parts))


def peer_row(ours: dict[str, Any], theirs: dict[str, Any]) -> Row:
    """What the sandbox costs: how much faster ours is, which is less than 1."""
    part = "an answer to HumanEval, processor time"
    if "reason" in theirs:
        return Row(part, RUNNER, "- x", None, theirs["reason"])
    each = (ours["seconds"] / ours["answers"], theirs["seconds"] / theirs["answers"])
    detail = (
        f"{each[0]:.3f} and {each[1]:.3f} s; {theirs['passed']} of {theirs['answers']} pass there, evalplus "
        f"{theirs['version']}"
    )
    return Row(part, RUNNER, "- x", each[1] / each[0], detail)


if __name__ == "__main__":
    main()
