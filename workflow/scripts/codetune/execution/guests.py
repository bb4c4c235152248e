"""The way of an answer through the guests: tests are recorded once, then each answer is solved and judged.

A solver guest runs the model's code on the recorded arguments; a judge guest runs the tests on what it gave. No guest
sees both the model's code and the tests, so no answer can pass by deceiving the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from codetune.execution import comparing, extraction, judging, recording, running, solving, values
from codetune.execution.extraction import NO_FUNCTION, NO_SYNTAX
from codetune.execution.running import NO_PROGRAM
from codetune.execution.sandbox import CRASHED, ENDED, Outcome, Sandbox
from codetune.execution.values import decode, encode
from codetune.study.problem import PROGRAM, Case, Problem

FUEL = 20 * 10**9  # of a guest: 3 to 5 s of a core
MOST_FUEL = 250 * 10**9  # of tests with their reference: one problem of MBPP takes 100
_SHOWN = 200  # characters of a call's arguments
ENDED_EARLY = "ended early"  # what a verdict says of code that ends its guest
_NO_CODE = {encode(("no code", reason)): reason for reason in (NO_FUNCTION, NO_PROGRAM, NO_SYNTAX)}
_MODULES = {
    "recording": (values, recording),
    "solving": (values, recording, extraction, solving),
    "judging": (values, recording, judging),
    "running": (values, recording, extraction, running),
    "comparing": (values, recording, judging, comparing),
}


@dataclass(frozen=True)
class Recorded:
    """A problem with the calls that its tests make.

    Attributes:
        problem: The problem, with the names of the functions that are tested.
        calls: Of each call a literal of name, positional and named arguments, in their order; none where there are
            test cases, which say what is called.
        refused: Why its answers cannot be judged here; empty if they can.
        fuel: What tests and reference took; 0 for a reference that does not pass.
        reference: Why test cases are judged by without a reference that passes them: `missing`, or what is wrong with
            it; None where they have one, and where the tests are source code alone.
    """

    problem: Problem
    calls: list[str]
    refused: str
    fuel: int
    reference: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What the tests say of an answer.

    Attributes:
        passed: Whether the answer passes all tests.
        error: Why it does not: `no function`, `syntax error`, `wrong answer`, `out of fuel`, `out of memory`, the name
            of an exception, ...; empty if it passes.
        fuel: What the answer took.
        call: The last call that the tests made, of test cases the first that fails; empty if the answer passes, or the
            tests made none.
        cases: Number of test cases; None where the tests are source code alone.
        passed_cases: Number of those that pass.
    """

    passed: bool
    error: str
    fuel: int
    call: str = ""
    cases: int | None = None
    passed_cases: int | None = None


def record(sandbox: Sandbox, problem: Problem, fuel: int = MOST_FUEL) -> Recorded:
    """Runs a problem's tests against its reference. Test cases state what is called, and nothing is run for them.

    Args:
        sandbox: Where guests run.
        problem: The problem.
        fuel: How much the guest may use.
    """
    if problem.cases is not None:
        return Recorded(problem, [], "" if problem.cases else "the record has no test cases", 0)
    task = {"reference": problem.reference, "tests": problem.tests, "entries": problem.entries}
    outcome = _run(sandbox, "recording", task, fuel)
    lines = outcome.output.splitlines()
    if outcome.ending != ENDED or len(lines) < 2:
        reason = "the reference does not run" if outcome.ending in (ENDED, CRASHED) else outcome.ending
        return Recorded(problem, [], f"the reference: {reason}", outcome.fuel)
    entries, end = decode(lines[0]), decode(lines[-1])
    known = replace(problem, entries=entries)
    return Recorded(known, lines[1:-1], "" if end == "passed" else end, outcome.fuel)


def judge(sandbox: Sandbox, recorded: Recorded, text: str, least: int = FUEL) -> Verdict:
    """Judges an answer.

    Args:
        sandbox: Where guests run.
        recorded: The problem.
        text: The answer as a model wrote it.
        least: How much fuel each of its guests may use, at least; it may use twice what tests and reference took. All
            test cases of a problem share it.
    """
    problem, fuel = recorded.problem, max(least, 2 * recorded.fuel)
    if problem.cases is not None:
        return _judge_cases(sandbox, problem, problem.cases, text, fuel)
    task = {"text": text, "stub": problem.stub, "entries": problem.entries, "calls": recorded.calls}
    solved = _run(sandbox, "solving", task, fuel)
    reason, lines = _read_solved(solved)
    if reason:
        return Verdict(False, reason, solved.fuel)
    judged = _run(
        sandbox,
        "judging",
        {
            "reference": problem.reference,
            "tests": problem.tests,
            "entries": problem.entries,
            "calls": recorded.calls,
            "lines": lines,
            "ending": _ending_of(solved),
        },
        fuel,
    )
    error, count = _read_judged(judged)
    call = _as_code(recorded.calls[count - 1]) if error and 0 < count <= len(recorded.calls) else ""
    return Verdict(not error, error, solved.fuel, call)


def _judge_cases(sandbox: Sandbox, problem: Problem, cases: list[Case], text: str, fuel: int) -> Verdict:
    """Judges an answer by test cases, all of which are tried: one that fails does not end the judging."""
    (entry,) = problem.entries
    calls = [f"({entry!r}, {case.arguments}, {{}},)" for case in cases]
    function = None if entry == PROGRAM else entry
    task = {"text": text, "entry": function, "imports": problem.stub, "calls": calls}
    solved = _run(sandbox, "running", task, fuel)
    reason, lines = _read_solved(solved)
    if reason:
        return Verdict(False, reason, solved.fuel, "", len(cases), 0)
    accepted = [case.accepted for case in cases]
    results = {"tests": problem.tests, "accepted": accepted, "lines": lines, "ending": _ending_of(solved)}
    judged = _run(sandbox, "comparing", results, fuel)
    if judged.ending != ENDED:
        return Verdict(False, judged.ending, solved.fuel, "", len(cases), 0)
    passed, _, first = judged.output.strip().partition(" ")
    place, _, error = first.partition(" ")
    call = _as_code(calls[int(place)]) if error else ""
    return Verdict(not error, error, solved.fuel, call, len(cases), int(passed))


def _read_solved(solved: Outcome) -> tuple[str, list[str]]:
    """What a solver's output says: why no call was made, or an empty text; and the results as they are."""
    whole = solved.output.split("\n")[:-1]
    if not whole:
        return _ending_of(solved), []
    return _NO_CODE.get(whole[0], ""), whole[1:]


def _ending_of(solved: Outcome) -> str:
    """What to say of calls that have no result."""
    return ENDED_EARLY if solved.ending in (ENDED, CRASHED) else solved.ending


def _read_judged(judged: Outcome) -> tuple[str, int]:
    """What a judge says: nothing if the answer passes, else the error; and the number of calls that the tests made."""
    if judged.ending != ENDED:
        return judged.ending, 0
    if judged.output == "passed\n":
        return "", 0
    count, _, error = judged.output.removeprefix("failed ").strip().partition(" ")
    return (error, int(count)) if count.isdecimal() and error else (CRASHED, 0)


def _as_code(call: str) -> str:
    """A recorded call as code that a reader knows, cut where it is long."""
    name, arguments, named = decode(call)
    if name == PROGRAM:
        shown = repr(arguments[0])
        return f"the input {shown}" if len(shown) <= _SHOWN else f"the input {shown[:_SHOWN]}..."
    text = ", ".join([*map(repr, arguments), *(f"{key}={value!r}" for key, value in named.items())])
    return f"{name}({text})" if len(text) <= _SHOWN else f"{name}({text[:_SHOWN]}..."


def _run(sandbox: Sandbox, guest: str, task: object, fuel: int) -> Outcome:
    return sandbox.run(_sources(guest), task, fuel)


@cache
def _sources(guest: str) -> Sequence[tuple[str, str]]:
    """The modules of a guest, with the names by which they import one another."""
    return [(module.__name__, Path(str(module.__file__)).read_text()) for module in _MODULES[guest]]
