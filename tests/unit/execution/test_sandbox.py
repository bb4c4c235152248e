"""The sandbox: what it does itself, and that no answer harms or deceives."""

import os
import shutil
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.execution import sandbox as module
from codetune.execution import selftest
from codetune.execution.guests import judge, record
from codetune.execution.interpreter import Interpreter
from codetune.execution.sandbox import FLOODED
from codetune.execution.selftest import try_sandbox
from codetune.study.problem import Problem
from hostile_answers import DECEIVING, HARMFUL

FUEL = 3 * 10**9 // 2
DOUBLE = Problem(
    stub="",
    reference="def double(number):\n    return 2 * number\n",
    tests="assert double(2) == 4\nassert double(number=5) == 10\n",
    entries=[],
)
RIGHT = "def double(number):\n    return number + number\n"


@pytest.fixture(scope="module")
def recorded(sandbox):
    return record(sandbox, DOUBLE)


def state(file):
    """What a program could change outside: the environment, open files, child processes, and a file."""
    found = file.stat()
    processes = Path("/proc/self/task").glob("*/children")
    return (
        dict(os.environ),
        len(list(Path("/proc/self/fd").iterdir())),
        "".join(children.read_text() for children in processes if children.exists()),
        (found.st_mode, found.st_nlink, found.st_mtime_ns, file.read_text()),
    )


def run(sandbox, code, fuel=FUEL):
    return sandbox.run([("main", f"def main(task):\n    {code}\n")], None, fuel)


def test_calls_are_recorded(recorded):
    assert recorded.refused == ""
    assert recorded.problem.entries == ["double"]
    assert recorded.calls == ["('double', (2,), {},)", "('double', (), {'number': 5},)"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (RIGHT, ""),
        (f"```python\n{RIGHT}```", ""),
        ("def double(number):\n    return 4\n", "wrong answer"),
        ("def double(number):\n    return None\n", "wrong answer"),
        ("def double(number):\n    return number.missing\n", "AttributeError"),
        ("def double(number):\n    return 4 if number == 2 else 1 / 0\n", "ZeroDivisionError"),
        ("def double(number):\n    return numbers * 2\n", "NameError"),
        ("def double(number, other):\n    return number * 2\n", "TypeError"),
        ("import numpy as np\ndef double(number):\n    return np.add(number, number)\n", "ModuleNotFoundError"),
        ("class Mine(Exception):\n    pass\n\ndef double(number):\n    raise Mine\n", "other exception"),
        ("def double(number):\n    return double(number)\n", "RecursionError"),
        ("def double(number)\n    return 4\n", "syntax error"),
        ("I do not know.", "no function"),
        ("def double(number):\n    while number:\n        pass\n", "out of fuel"),
        ("def double(number):\n    return 4 if number == 2 else [0] * 10**9\n", "out of memory"),
        ("def double(number):\n    print(number)\n    return number * 2\n", ""),
    ],
)
def test_verdicts(sandbox, recorded, answer, error):
    verdict = judge(sandbox, recorded, answer, FUEL)
    assert (verdict.passed, verdict.error) == (not error, error)
    assert judge(sandbox, recorded, answer, FUEL) == verdict


def test_a_wrong_answer_comes_before_what_follows_it(sandbox, recorded):
    answer = "def double(number):\n    while number == 5:\n        pass\n    return 0\n"
    assert judge(sandbox, recorded, answer, FUEL).error == "wrong answer"


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("assert double(object)\n", "the tests call double with an object of type type"),
        ("assert double(2) == 5\n", "the reference fails its tests (AssertionError)"),
        ("assert True\n", "the tests call no function of the reference"),
        ("while True: double(2)\n", "the reference: out of fuel"),
        ("assert (\n", "the reference: the reference does not run"),
    ],
)
def test_problems_that_cannot_be_judged(sandbox, tests, reason):
    problem = Problem("", DOUBLE.reference, tests, [])
    assert record(sandbox, problem, 2 * 10**9).refused == reason


def test_calls_that_depend_on_results_are_told(sandbox):
    problem = Problem("", DOUBLE.reference, "try:\n    double(double(1))\nexcept:\n    pass\n", ["double"])
    recorded = record(sandbox, problem)
    assert judge(sandbox, recorded, RIGHT).passed
    assert judge(sandbox, recorded, "def double(number):\n    return 0\n").error == "other calls"


@pytest.mark.parametrize("attack", HARMFUL.values(), ids=HARMFUL)
def test_no_answer_harms(sandbox, recorded, tmp_path, attack, capfd):
    folder = tmp_path / "folder"
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("a secret of the host")
    before = state(secret)
    code = attack.replace("FILE", str(secret)).replace("FOLDER", str(folder))
    verdict = judge(sandbox, recorded, code, FUEL)
    assert not verdict.passed, verdict
    assert verdict.fuel <= FUEL
    assert state(secret) == before
    assert sorted(tmp_path.rglob("*")) == [folder, secret]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("answer", DECEIVING.values(), ids=DECEIVING)
def test_no_answer_deceives(sandbox, recorded, answer):
    assert not judge(sandbox, recorded, answer, FUEL).passed


def test_there_are_enough_attacks():
    assert len(HARMFUL) + len(DECEIVING) >= 100


def test_moments_and_chance_are_constants(sandbox):
    shown = "time.time(), time.monotonic(), random.random(), os.urandom(4), hash('a'), secrets.token_hex()"
    code = f"import time, random, os, secrets; print({shown})"
    first, second = run(sandbox, code), run(sandbox, code)
    assert first == second
    assert first.output.startswith("1700000000.0 1700000000.0 ")


def test_who_sleeps_does_not_wait(sandbox):
    code = "import time, select; time.sleep(10**6); select.select([], [], [], 10**6); print(1)"
    assert run(sandbox, code).output == "1\n"


def test_output_is_cut(sandbox):
    outcome = run(sandbox, "import os\n    for _ in range(99): os.write(1, b'x' * (1 << 20))")
    assert outcome.ending == FLOODED
    assert len(outcome.output) <= module.OUTPUT


def test_a_limit_of_time_says_nothing_about_a_program(sandbox, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(module, "SECONDS", 0.3)
        with pytest.raises(StudyError, match="says nothing about it: this machine is too busy"):
            run(sandbox, "while True: pass", 10**15)
    assert run(sandbox, "print(1)").output == "1\n"


def test_the_sandbox_is_tried(sandbox):
    assert len(try_sandbox(sandbox)) == 10


def test_a_sandbox_that_fails_is_not_used(sandbox, monkeypatch):
    leaking = "def double(number):\n    return 2 * number\n"
    monkeypatch.setattr(selftest, "_answers", lambda _file: {"reading a file": (leaking, "FileNotFoundError")})
    with pytest.raises(
        StudyError, match="fails its own test, reading a file: it says 'passed', not 'FileNotFoundError'"
    ):
        try_sandbox(sandbox)


def test_another_interpreter_is_refused(tmp_path):
    (tmp_path / "python.wasm").write_bytes(b"\0asm")
    with pytest.raises(StudyError, match="is not the sandbox's Python: its SHA-256 is not e5dc"):
        _ = Interpreter(tmp_path / "python.wasm").module


def test_what_was_compiled_for_another_machine_is_made_again(sandbox, tmp_path, capfd):
    """In a place of its own: what is compiled is mapped into memory, and a file that shrinks ends who has mapped it."""
    interpreter = Interpreter(Path(shutil.copy(sandbox.interpreter.path, tmp_path / "python.wasm")))
    interpreter.compiled.write_bytes(b"for another machine")
    assert len(interpreter.module.exports) > 0
    assert "is of no use here and made again" in capfd.readouterr().out
    assert interpreter.compiled.stat().st_size > 10**7
