"""The way of an answer through the guests: tests are recorded once, then each answer is solved and judged.

A solver guest runs the model's code on the recorded arguments; a judge guest runs the tests on what it gave. No guest
sees both the model's code and the tests, so no answer can pass by deceiving the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from codetune.execution.extraction import NO_FUNCTION, NO_SYNTAX
from codetune.execution.problems import Problem
from codetune.execution.sandbox import CRASHED, ENDED, Outcome, Sandbox
from codetune.execution.values import decode, encode

FUEL = 20 * 10**9  # of a guest: 3 to 5 s of a core
ENDED_EARLY = "ended early"  # what a verdict says of code that ends its guest
_NO_CODE = {encode(("no code", reason)): reason for reason in (NO_FUNCTION, NO_SYNTAX)}
_MODULES = {
    "recording": ("values", "recording"),
    "solving": ("values", "recording", "extraction", "solving"),
    "judging": ("values", "recording", "judging"),
}


@dataclass(frozen=True)
class Recorded:
    """A problem with the calls that its tests make.

    Attributes:
        problem: The problem, with the names of the functions that are tested.
        calls: Of each call a literal of name, positional and named arguments, in their order.
        refused: Why its answers cannot be judged here; empty if they can.
        fuel: What tests and reference took.
    """

    problem: Problem
    calls: list[str]
    refused: str
    fuel: int


@dataclass(frozen=True)
class Verdict:
    """What the tests say of an answer.

    Attributes:
        id: Number of the problem's record.
        passed: Whether the answer passes all tests.
        error: Why it does not: `no function`, `syntax error`, `wrong answer`, `out of fuel`, `out of memory`, the name
            of an exception, ...; empty if it passes.
        fuel: What the answer took.
    """

    id: int
    passed: bool
    error: str
    fuel: int


def record(sandbox: Sandbox, problem: Problem, fuel: int = FUEL) -> Recorded:
    """Runs a problem's tests against its reference.

    Args:
        sandbox: Where guests run.
        problem: The problem.
        fuel: How much the guest may use.
    """
    task = {"reference": problem.reference, "tests": problem.tests, "entries": problem.entries}
    outcome = _run(sandbox, "recording", task, fuel)
    lines = outcome.output.splitlines()
    if outcome.ending != ENDED or len(lines) < 2:
        reason = "the reference does not run" if outcome.ending in (ENDED, CRASHED) else outcome.ending
        return Recorded(problem, [], f"the reference: {reason}", outcome.fuel)
    entries, end = decode(lines[0]), decode(lines[-1])
    known = Problem(problem.id, problem.stub, problem.reference, problem.tests, entries)
    return Recorded(known, lines[1:-1], "" if end == "passed" else end, outcome.fuel)


def judge(sandbox: Sandbox, recorded: Recorded, text: str, fuel: int = FUEL) -> Verdict:
    """Judges an answer.

    Args:
        sandbox: Where guests run.
        recorded: The problem.
        text: The answer as a model wrote it.
        fuel: How much each of its guests may use.
    """
    problem = recorded.problem
    task = {"text": text, "stub": problem.stub, "entries": problem.entries, "calls": recorded.calls}
    solved = _run(sandbox, "solving", task, fuel)
    reason, lines = _read_solved(solved)
    if reason:
        return Verdict(problem.id, False, reason, solved.fuel)
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
    error = _error_of(judged)
    return Verdict(problem.id, not error, error, solved.fuel)


def _read_solved(solved: Outcome) -> tuple[str, list[str]]:
    """What a solver's output says: why no call was made, or an empty text; and the results as they are."""
    whole = solved.output.split("\n")[:-1]
    if not whole:
        return _ending_of(solved), []
    return _NO_CODE.get(whole[0], ""), whole[1:]


def _ending_of(solved: Outcome) -> str:
    """What to say of calls that have no result."""
    return ENDED_EARLY if solved.ending in (ENDED, CRASHED) else solved.ending


def _error_of(judged: Outcome) -> str:
    """What a judge says; empty if the answer passes."""
    if judged.ending != ENDED:
        return judged.ending
    if judged.output == "passed\n":
        return ""
    return judged.output.removeprefix("failed ").strip() or CRASHED


def _run(sandbox: Sandbox, guest: str, task: object, fuel: int) -> Outcome:
    return sandbox.run(_sources(guest), task, fuel)


@cache
def _sources(guest: str) -> Sequence[tuple[str, str]]:
    """The modules of a guest, with the names by which they import one another."""
    folder = Path(__file__).parent
    package = __name__.rpartition(".")[0]
    return [(f"{package}.{name}", (folder / f"{name}.py").read_text()) for name in _MODULES[guest]]
