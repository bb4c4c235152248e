"""A study of code that unit tests judge, from the records to tables and pages; a retrieval answers, no model."""

import ast
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from browser_study import data_of
from codetune.report.packed import unpacked
from conftest import ROOT
from small_study import copy_workflow, plan, snakemake

LOCAL = ("--workflow-profile", "profiles/local", "--configfile", "small.yaml", "--cores", "2")
SYSTEM = "runs/solutions/none/retrieval/seed0"
NAMES = ("width", "height", "weight", "price", "amount", "speed", "salary", "level", "grade", "index")
WRONG, ENDLESS, NO_CODE = "width", "height", "weight"  # whose samples' outputs do not pass
# Programs that training samples have for the problems with test cases, and how many of the three cases each passes.
PROGRAMS = {
    "distance": ("print(2 * int(input()))", 3),
    "altitude": ("import sys\nprint(int(sys.stdin.read()) + 1)", 1),
    "pressure": ("number = int(input())\nwhile number == 7:\n    pass\nprint(2 * number)", 2),
    "humidity": ("print(2 * int(input())", 0),
    "latency": ("print(2 * float(input()))", 3),
    "momentum": ("print(int(input()) * 2)\nexit()", 3),
}


def solution_of(name):
    if name == ENDLESS:
        return f"def double_{name}({name}):\n    while True:\n        {name} += 1"
    return (
        "no code" if name == NO_CODE else f"def double_{name}({name}):\n    return {name} * {3 if name == WRONG else 2}"
    )


def make_project(folder):
    """The retrieval finds an output of its training samples for each problem."""
    folder.mkdir()
    copy_workflow(folder)
    solutions = [
        {"instruction": f"Python: what gives twice the {name}?", "input": "", "output": solution_of(name)}
        for name in NAMES
    ]
    solutions += [
        {"instruction": f"Program for the {name}: print twice of it.", "input": "", "output": program}
        for name, (program, _) in PROGRAMS.items()
    ]
    others = [
        {"instruction": f"Say the word {word} in reverse.", "input": "", "output": f"print('{word}'[::-1])"}
        for word in ("river", "stone", "table", "cloud", "north", "winter", "music", "paper", "green", "orbit")
    ]
    problems = [
        {
            "text": f"Write a function that takes the {name} and returns two times this {name}.",
            "code": f"def double_{name}({name}):\n    return {name} + {name}",
            "test_list": [f"assert double_{name}({number}) == {2 * number}" for number in (1, 7)],
        }
        for name in NAMES
    ]
    cases = [{"input": f"{number}\n", "output": f"{2 * number}\n"} for number in (1, 5, 7)]
    programs = [
        {
            "task": f"Standard input has one {name}, and the answer is this {name} doubled.",
            "code": code,
            "test_list": cases,
        }
        for name, code in zip(PROGRAMS, ("", "print(0)", *["print(int(input()) * 2)"] * 4), strict=True)
    ]
    (folder / "solutions").mkdir()
    for part, records in (("train", solutions), ("validation", others[:5]), ("test", others[5:])):
        (folder / "solutions" / f"{part}.json").write_text(json.dumps(records))
    (folder / "problems").mkdir()
    (folder / "problems/test.json").write_text(json.dumps(problems))
    (folder / "programs").mkdir()
    (folder / "programs/test.json").write_text(json.dumps(programs))
    files = {part: f"{part}.json" for part in ("train", "validation", "test")}
    config = {
        "runs": [
            {
                "datasets": ["solutions"],
                "models": ["none"],
                "methods": ["retrieval"],
                "tests": ["solutions", "problems", "programs"],
            }
        ],
        "datasets": {
            "solutions": {"path": "solutions", "parts": files},
            "problems": {
                "path": "problems",
                "parts": {"test": "test.json"},
                "fields": {"instruction": "text", "output": "code"},
                "unit_tests": "mbpp",
            },
            "programs": {
                "path": "programs",
                "parts": {"test": "test.json"},
                "fields": {"instruction": "task", "output": "code"},
                "unit_tests": "programs",
            },
        },
        "evaluation": {"resamples": 200},
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory, sandbox):
    """A finished study; the interpreter is the one that tests share."""
    folder = make_project(tmp_path_factory.mktemp("execution") / "project")
    place = folder / "resources/sandbox"
    place.mkdir(parents=True)
    for file in sandbox.interpreter.path.parent.glob("python*.*wasm"):
        shutil.copy(file, place)
    done = snakemake(*LOCAL, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def rows_of_csv(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def texts_of(project, test):
    """What the page of a test set in the sample browser says."""
    page = (project / f"results/report/samples/{test}.html").read_text()
    return "".join(content.decode() for name, content in unpacked(page) if name.startswith("texts-"))


def in_process(text, problem):
    """Whether an answer passes, as Python itself says; one that never ends does not."""
    if "while True" in text:
        return False
    names = {}
    try:
        exec(compile(ast.parse(text), "answer", "exec"), names)
        exec(problem["tests"], names)
    except Exception:
        return False
    return True


def test_verdicts_are_those_of_python_itself(project):
    folder = project / "results" / SYSTEM / "tests/problems"
    problems = {row["id"]: row["problem"] for row in lines_of(project / "results/data/problems/test.jsonl")}
    texts = {row["id"]: row["candidates"][0]["text"] for row in lines_of(folder / "predictions.jsonl")}
    verdicts = {row["id"]: row["verdicts"][0] for row in lines_of(folder / "verdicts.jsonl")}
    assert list(verdicts) == list(texts) == list(problems)
    expected = {number: in_process(text, problems[number]) for number, text in texts.items()}
    assert {number: verdict["passed"] for number, verdict in verdicts.items()} == expected
    assert 3 <= sum(expected.values()) < len(expected)
    errors = {verdict["error"] for verdict in verdicts.values()} - {""}
    assert errors >= {"out of fuel", "wrong answer", "no function"}
    wrong = next(one for one in verdicts.values() if one["error"] == "wrong answer")
    assert wrong["call"].startswith("double_") and wrong["call"].endswith("(1)")


def test_tables_have_the_share_that_passes_and_what_is_wrong_with_the_rest(project):
    facts = json.loads((project / "results" / SYSTEM / "tests/problems/execution.json").read_text())
    row, _ = rows_of_csv(project / "results/tables/execution.csv")
    assert row["Average accuracy"] == ""
    assert float(row["score"]) == facts["passed"] / facts["answers"]
    assert float(row["share: out of fuel"]) == facts["errors"]["out of fuel"] / facts["answers"]
    (summary,) = [one for one in rows_of_csv(project / "results/tables/table2.csv") if one["source"] == "this study"]
    assert summary["test"] == "solutions"
    assert summary["pass_at_1_on_problems"] == row["score"]
    metrics = {
        (one["test"], one["metric"]): one["score"] for one in rows_of_csv(project / "results/tables/metrics.csv")
    }
    assert metrics["problems", "pass_at_1"] == row["score"]
    assert ("solutions", "pass_at_1") not in metrics
    text = (project / "results/tables/table2.md").read_text()
    assert "pass@1 on problems" in text
    assert "intervals, gains and errors are in table execution." in text
    assert "  pass@1 |" in (project / "results/tables/execution.md").read_text()


def test_programs_are_judged_case_by_case_with_and_without_references(project):
    folder = project / "results" / SYSTEM / "tests/programs"
    verdicts = [row["verdicts"][0] for row in lines_of(folder / "verdicts.jsonl")]
    assert [(one["passed_cases"], one["cases"]) for one in verdicts] == [(count, 3) for _, count in PROGRAMS.values()]
    assert [one["error"] for one in verdicts] == ["", "wrong answer", "out of fuel", "syntax error", "", ""]
    recorded = [row["recorded"] for row in lines_of(project / "results/tests/programs/problems.jsonl")]
    assert [one.get("reference") for one in recorded] == ["missing", "wrong answer", *[None] * 4]
    _, row = rows_of_csv(project / "results/tables/execution.csv")
    assert (float(row["score"]), float(row["Average accuracy"])) == (0.5, pytest.approx(2 / 3))
    metrics = {
        one["metric"]: one for one in rows_of_csv(project / "results/tables/metrics.csv") if one["test"] == "programs"
    }
    average = metrics["average_accuracy"]
    assert float(average["score_low"]) < 0.66 < float(average["score"]) < 0.67 < float(average["score_high"])
    assert metrics["rouge_l"]["unmeasured"] == "1"
    assert "1 of 3 test cases pass" in texts_of(project, "programs")


@pytest.mark.parametrize("test", ["problems", "programs"])
@pytest.mark.parametrize(
    ("kind", "file"), [("sample", "data/TEST/test.jsonl"), ("score", f"{SYSTEM}/tests/TEST/scores.jsonl")]
)
def test_lines_have_the_declared_form(project, test, kind, file):
    schema = json.loads((ROOT / f"workflow/schemas/{kind}.schema.json").read_text())
    for line in lines_of(project / "results" / file.replace("TEST", test)):
        jsonschema.validate(line, schema)


def test_the_browser_says_what_unit_tests_say(project):
    page = (project / "results/report/samples/problems.html").read_text()
    texts = texts_of(project, "problems")
    assert "passes all unit tests" in texts
    assert "fails unit tests: wrong answer at double_" in texts
    assert data_of(page)["test"] == "problems"
    assert "unit tests" not in texts_of(project, "solutions")


def test_nothing_is_planned_again_and_the_results_check(project):
    assert not plan(*LOCAL, cwd=project)
    check = [sys.executable, project / "workflow/scripts/check_results.py", project / "config/config.yaml"]
    done = subprocess.run([*check, project / "small.yaml"], cwd=project, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_sandbox_all_else_is_measured(project, tmp_path):
    again = Path(shutil.copytree(project, tmp_path / "again", symlinks=True))
    for file in (again / "resources/sandbox").iterdir():
        file.unlink()
    (again / "resources/sandbox/python.wasm").write_bytes(b"\0asm")  # not the interpreter
    done = snakemake(*LOCAL, "--forcerun", "sandbox", cwd=again)
    assert done.returncode == 0, done.stdout + done.stderr
    log = (again / "results/logs/sandbox/interpreter.log").read_text()
    assert "no generated code is executed: resources/sandbox/python.wasm is not the sandbox's Python" in log
    assert "add '--forcerun sandbox' to the command" in log
    row, other = rows_of_csv(again / "results/tables/execution.csv")
    assert row["score"] == other["score"] == other["Average accuracy"] == ""
    assert "is not the sandbox's Python" in row["not_executed"]
    metrics = {(one["test"], one["metric"]): one["score"] for one in rows_of_csv(again / "results/tables/metrics.csv")}
    assert metrics["problems", "pass_at_1"] == ""
    assert metrics["problems", "rouge_l"] != ""
    assert "No code was executed" in (again / "results/tables/execution.md").read_text()
