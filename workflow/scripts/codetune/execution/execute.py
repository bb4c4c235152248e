"""Rule execute: what the unit tests of a test set say of a run's answers."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from codetune.base.files import Row, append_jsonl, recover_jsonl, sha256_of_file, write_json, write_jsonl
from codetune.base.identity import file_hashes
from codetune.base.plain import declared, to_plain
from codetune.base.progress import counted
from codetune.base.unfinished import unfinished_work
from codetune.data.predictions import Prediction, read_predictions
from codetune.execution.guests import Recorded, Verdict, judge
from codetune.execution.prepare import open_sandbox
from codetune.execution.record_tests import read_problems
from codetune.execution.sandbox import Sandbox
from codetune.study.execution import ExecutionFacts

AT_ONCE = 16  # predictions between two saves


@dataclass(frozen=True)
class ExecuteInputs:
    """What an execution reads.

    Attributes:
        predictions: The answers, JSON lines.
        problems: The recorded problems, JSON lines.
        sandbox: Facts of the sandbox.
    """

    predictions: str
    problems: str
    sandbox: str


@dataclass(frozen=True)
class ExecuteOutputs:
    """What an execution writes.

    Attributes:
        verdicts: A row per prediction, JSON lines: its id, and a verdict per candidate; null where none can be judged.
        facts: What was executed, and what came of it, JSON.
        work: Folder of unfinished work, removed in the end.
    """

    verdicts: str
    facts: str
    work: str


def execute_predictions(inputs: ExecuteInputs, outputs: ExecuteOutputs, workers: int, code: str) -> None:
    """Runs the unit tests on each candidate of each prediction, and writes the verdicts and the facts.

    What an earlier attempt finished before it was killed is used. Without a sandbox all verdicts are null.

    Args:
        inputs: Paths to read.
        outputs: Paths to write.
        workers: Number of guests at a time. No verdict depends on it.
        code: Hash of the code; what other code left unfinished is not used.
    """
    completed, hashes = read_predictions(inputs.predictions), _hashes_of(inputs)
    sandbox, reason = open_sandbox(inputs.sandbox, "execute")
    if sandbox is None:
        write_jsonl(outputs.verdicts, [{"id": one.id, "verdicts": None} for one in completed])
        facts = ExecutionFacts(hashes, sha256_of_file(outputs.verdicts), 0, 0, not_executed=reason)
        write_json(outputs.facts, to_plain(facts))
        return
    problems = read_problems(inputs.problems)
    with unfinished_work(outputs.work, {"inputs": hashes, "code": code, "wasmtime": version("wasmtime")}) as folder:
        kept = folder / "verdicts.jsonl"
        _judge_rest(sandbox, completed, problems, kept, workers)
        rows = {row["id"]: row for saved in recover_jsonl(kept) for row in saved["rows"]}
        seconds = sum(saved["seconds"] for saved in recover_jsonl(kept))
        write_jsonl(outputs.verdicts, [rows[one.id] for one in completed])
        write_json(outputs.facts, to_plain(_facts_of(rows.values(), hashes, outputs.verdicts, seconds)))


def _hashes_of(inputs: ExecuteInputs) -> dict[str, str]:
    return file_hashes(predictions=inputs.predictions, problems=inputs.problems)


def _judge_rest(
    sandbox: Sandbox, completed: list[Prediction], problems: dict[int, Recorded], kept: Path, workers: int
) -> None:
    """Judges what no earlier attempt has judged, and saves it some predictions at a time."""
    known = {row["id"] for saved in recover_jsonl(kept) for row in saved["rows"]}
    rest = counted([one for one in completed if one.id not in known], "execution", "answers")
    with ThreadPoolExecutor(workers) as pool:
        for batch in _batches(rest):
            start = time.monotonic()
            rows = list(pool.map(lambda one: _judge(sandbox, problems[one.id], one), batch))
            append_jsonl(kept, [{"seconds": round(time.monotonic() - start, 2), "rows": rows}])


def _batches(predictions: Iterable[Prediction]) -> Iterator[list[Prediction]]:
    iterator = iter(predictions)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch


def _judge(sandbox: Sandbox, recorded: Recorded, prediction: Prediction) -> Row:
    """The row of a prediction; candidates that are alike are judged once."""
    if recorded.refused:
        return {"id": prediction.id, "verdicts": None}
    texts = [candidate.text for candidate in prediction.candidates]
    found: dict[str, Verdict] = {text: judge(sandbox, recorded, text) for text in dict.fromkeys(texts)}
    return {"id": prediction.id, "verdicts": [declared(found[text]) for text in texts]}


def _facts_of(rows: Iterable[Row], hashes: dict[str, str], verdicts: str, seconds: float) -> ExecutionFacts:
    judged = [verdict for row in rows for verdict in row["verdicts"] or ()]
    errors = Counter(verdict["error"] for verdict in judged if not verdict["passed"])
    order = sorted(errors.items(), key=lambda one: (-one[1], one[0]))
    return ExecutionFacts(
        inputs_sha256=hashes,
        verdicts_sha256=sha256_of_file(verdicts),
        answers=len(judged),
        passed=sum(verdict["passed"] for verdict in judged),
        errors=dict(order),
        fuel=sum(verdict["fuel"] for verdict in judged),
        seconds=round(seconds, 1),
        wasmtime=version("wasmtime"),
    )
