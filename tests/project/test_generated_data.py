"""The data that the studies in small run on: sizes, no leaks, and problems whose references are right."""

import ast
import contextlib
import io
import json
import sys

import make_parts as parts
import pytest
from codetune.data.duplicates import near_duplicates
from codetune.data.leaks import find_leaks
from codetune.data.samples import Sample


@pytest.fixture(scope="module")
def conala():
    return parts.make_conala(parts.SEED)


@pytest.fixture(scope="module")
def apps():
    return parts.make_apps(parts.SEED)


def test_no_test_record_is_like_one_that_is_trained_on(conala):
    assert {part: len(records) for part, records in conala.items()} == parts.CONALA
    samples = {part: [Sample(number, **one) for number, one in enumerate(of)] for part, of in conala.items()}
    tested = samples.pop("test")
    assert find_leaks(samples, tested) == []
    records = [one for of in conala.values() for one in of]
    assert not any(one["input"] for one in records)
    assert all(ast.parse(one["output"]).body for one in records), "all in Python, as the config declares them"


def test_python_records_parse_and_none_is_like_another_or_like_one_of_the_others(conala):
    others = conala["test"]
    records = parts.make_python(60, parts.SEED, others)
    texts = [f"{one['instruction']}\n{one['output']}" for one in [*others, *records]]
    assert len(records) == 60
    assert [group for group in near_duplicates(texts) if group[-1] >= len(others)] == []
    assert all(ast.parse(one["output"]).body and not one["input"] for one in records)


def answers_of(problem):
    """What the reference of a problem gives for each of its inputs, run here: it is made by this project."""
    [solution], tests = json.loads(problem["solutions"]), json.loads(problem["input_output"])
    if "fn_name" in tests:
        names = {}
        exec(solution, names)
        return [names[tests["fn_name"]](*given) for given in tests["inputs"]], tests["outputs"]
    found = []
    for given in tests["inputs"]:
        lines, printed = iter(given.splitlines()), io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(solution, {"input": lambda lines=lines: next(lines)})
        found.append(printed.getvalue())
    return found, tests["outputs"]


def test_references_of_problems_pass_their_own_tests_and_no_problem_is_in_both_parts(apps):
    assert {part: len(records) for part, records in apps.items()} == parts.APPS
    for problem in [*apps["train"], *apps["test"]]:
        found, expected = answers_of(problem)
        assert found == expected
        assert len(found) == 3
    assert {bool(one["starter_code"]) for one in apps["test"]} == {True, False}, "functions and whole programs"
    assert not {one["question"] for one in apps["train"]} & {one["question"] for one in apps["test"]}


def test_the_same_bytes_are_written_twice(tmp_path, monkeypatch):
    for folder in ("one", "two"):
        monkeypatch.setattr(sys, "argv", ["make_parts.py", str(tmp_path / folder)])
        parts.main()
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.json*"))
    assert [str(file) for file in files] == [
        *("apps/test.jsonl", "apps/train.jsonl", "codealpaca-py.json"),
        *("conala/test.json", "conala/train.json", "conala/validation.json"),
    ]
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)
