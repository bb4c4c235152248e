"""Verdicts of predictions: the same with one worker and with several, after a kill, and none without a sandbox."""

import json

import pytest
from codetune.base.files import read_json, read_jsonl, sha256_of_file, write_json, write_jsonl
from codetune.base.plain import to_plain
from codetune.data.split import split_dataset
from codetune.execution import execute as module
from codetune.execution.execute import ExecuteInputs, ExecuteOutputs, execute_predictions
from codetune.execution.interpreter import SHA256
from codetune.execution.prepare import INTERPRETER, open_sandbox, prepare_sandbox
from codetune.execution.record_tests import read_problems, record_tests
from codetune.study.dataset import PARTS, Split
from codetune.study.execution import SandboxFacts
from codetune.study.problem import Problem

PROBLEM = Problem("", "def double(n):\n    return 2 * n\n", "assert double(2) == 4\nassert double(5) == 10\n", [])
REFUSED = Problem("", "def double(n):\n    return n\n", "assert double(2) == 4\n", [])
ANSWERS = [
    "def double(n):\n    return n + n\n",
    "def double(n):\n    return 4\n",
    "x",
    "def double(n):\n    return m\n",
]


@pytest.fixture(scope="module")
def ready(tmp_path_factory, sandbox):
    """A folder with samples, recorded problems, a working sandbox, and predictions of two candidates each."""
    folder = tmp_path_factory.mktemp("ready")
    place = folder / "sandbox"
    place.mkdir()
    (place / INTERPRETER).symlink_to(sandbox.interpreter.path)
    compiled = sandbox.interpreter.compiled
    (place / compiled.name).symlink_to(compiled)
    write_json(place / "sandbox.json", to_plain(SandboxFacts(True, None, [], SHA256, "1")))
    problems = [PROBLEM] * 5 + [REFUSED]
    write_jsonl(
        folder / "records.jsonl",
        [
            {"instruction": f"task {word}", "input": "", "output": f"x = '{word}'", "problem": vars(problem)}
            for word, problem in zip("abcdef", problems, strict=True)
        ],
    )
    parts = {part: str(folder / f"{part}.jsonl") for part in PARTS}
    settings = Split(0.8, 0.1, 0.1, 0, "anywhere", parts=["test"])
    split_dataset(folder / "records.jsonl", "p", settings, parts | {"facts": str(folder / "split.json")}, {"test": 6})
    paths = [str(folder / name) for name in ("test.jsonl", "split.json", "sandbox/sandbox.json")]
    record_tests(*paths, str(folder / "problems.jsonl"), str(folder / "problems.json"), workers=2)
    rows = [
        {
            "id": place,
            "candidates": [{"text": ANSWERS[(place + shift) % 4], "tokens": 3, "truncated": False} for shift in (0, 1)],
        }
        for place in range(6)
    ]
    write_jsonl(folder / "predictions.jsonl", rows)
    return folder


def execute(ready, target, workers=1):
    target.mkdir(exist_ok=True)
    names = ("predictions.jsonl", "problems.jsonl", "sandbox/sandbox.json")
    outputs = ExecuteOutputs(*(str(target / name) for name in ("verdicts.jsonl", "execution.json", "work")))
    execute_predictions(ExecuteInputs(*(str(ready / name) for name in names)), outputs, workers, "code")
    return (target / "verdicts.jsonl").read_bytes(), read_json(target / "execution.json")


def test_problems_are_recorded_and_those_refused_whose_reference_fails(ready):
    recorded = read_problems(str(ready / "problems.jsonl"))
    assert list(recorded) == list(range(6))
    assert recorded[0].calls == ["('double', (2,), {},)", "('double', (5,), {},)"]
    facts = read_json(ready / "problems.json")
    assert facts["refused"] == {"5": "the reference fails its tests (AssertionError)"}
    assert facts["problems_sha256"] == sha256_of_file(ready / "problems.jsonl")
    assert facts["fuel"] > 0


def test_verdicts_and_fuel_do_not_depend_on_the_number_of_workers(ready, tmp_path):
    first, facts = execute(ready, tmp_path / "one")
    second, others = execute(ready, tmp_path / "three", workers=3)
    assert first == second
    assert {key: value for key, value in facts.items() if key != "seconds"} == {
        key: value for key, value in others.items() if key != "seconds"
    }
    rows = [json.loads(line) for line in first.splitlines()]
    found = [[(one["passed"], one["error"]) for one in row["verdicts"] or []] for row in rows]
    right, wrong, none, unknown = (True, ""), (False, "wrong answer"), (False, "no function"), (False, "NameError")
    assert found == [[right, wrong], [wrong, none], [none, unknown], [unknown, right], [right, wrong], []]
    assert rows[1]["verdicts"][0]["call"] == "double(5)"
    assert (facts["answers"], facts["passed"]) == (10, 3)
    assert facts["errors"] == {"wrong answer": 3, "NameError": 2, "no function": 2}


def test_what_was_judged_before_a_kill_is_not_judged_again(ready, tmp_path, monkeypatch):
    expected, _ = execute(ready, tmp_path / "whole")
    monkeypatch.setattr(module, "AT_ONCE", 2)
    judged = []

    def stops(sandbox, recorded, text):
        judged.append(text)
        if len(judged) > 5:
            raise KeyboardInterrupt
        return before(sandbox, recorded, text)

    before = module.judge
    monkeypatch.setattr(module, "judge", stops)
    with pytest.raises(KeyboardInterrupt):
        execute(ready, tmp_path / "killed")
    assert len(read_jsonl(tmp_path / "killed/work/verdicts.jsonl")) == 1
    judged.clear()
    monkeypatch.setattr(module, "judge", lambda *arguments: (judged.append(arguments[2]), before(*arguments))[1])
    again, facts = execute(ready, tmp_path / "killed")
    assert again == expected
    assert len(judged) == 6  # of the three others that can be judged
    assert facts["answers"] == 10
    assert not (tmp_path / "killed/work").exists()


def test_without_a_sandbox_nothing_is_judged_and_one_line_says_why(ready, tmp_path, capsys):
    folder = tmp_path / "sandbox"
    folder.mkdir()
    (folder / INTERPRETER).write_bytes(b"\0asm")
    facts = folder / "sandbox.json"
    prepare_sandbox(str(facts))
    found = read_json(facts)
    assert not found["works"]
    assert "is not the sandbox's Python" in found["reason"]
    sandbox, reason = open_sandbox(str(facts), "x")
    assert (sandbox, reason) == (None, found["reason"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("no generated code is executed: ") for line in lines)
    assert all(line.endswith("To try again, add '--forcerun sandbox' to the command.") for line in lines)
    inputs = ExecuteInputs(str(ready / "predictions.jsonl"), str(ready / "problems.jsonl"), str(facts))
    outputs = ExecuteOutputs(*(str(tmp_path / name) for name in ("verdicts.jsonl", "execution.json", "work")))
    execute_predictions(inputs, outputs, 1, "code")
    assert {row["verdicts"] for row in read_jsonl(tmp_path / "verdicts.jsonl")} == {None}
    assert read_json(tmp_path / "execution.json")["not_executed"] == found["reason"]
