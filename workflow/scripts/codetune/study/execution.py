"""Facts of the execution of generated code: of the sandbox, of the unit tests of a test set, and of a run's answers."""

from dataclasses import dataclass, field

# How an answer is judged, for signatures. The number changes with the rule by which code is found in an answer.
JUDGED_BY = (
    "all unit tests|code:longest run of lines that defines the tested function, with all that it reaches|"
    "CPython 3.12.0 for WASI, 20 G of fuel or twice the reference's, 512 MB|version:1"
)

# The same of test cases.
JUDGED_BY_CASES = (
    "code:longest run of lines that parses, of a function as for unit tests|"
    "outputs:words of each line, numbers within 1e-5 of their size unless whole; values:equal, tuples as lists|"
    "CPython 3.12.0 for WASI, 20 G of fuel for all cases of a problem or twice the reference's, 512 MB|version:1"
)


@dataclass(frozen=True)
class SandboxFacts:
    """sandbox.json: whether generated code can be run, and by what.

    Attributes:
        works: Whether the sandbox passed its own test.
        reason: Why it cannot be used; None if it can.
        tried: What its own test consists of, in words.
        python_sha256: SHA-256 of its interpreter.
        wasmtime: Version of what runs the interpreter.
    """

    works: bool
    reason: str | None
    tried: list[str]
    python_sha256: str
    wasmtime: str


@dataclass(frozen=True)
class ProblemsFacts:
    """problems.json: the unit tests of a test set as they were recorded with its references.

    Attributes:
        problems: Number of problems.
        refused: Why the answers to some problems cannot be judged, by the id of the sample.
        samples_sha256: SHA-256 of the test samples.
        problems_sha256: SHA-256 of the recorded problems.
        fuel: What tests and references took, in instructions of the interpreter's.
        not_executed: Why nothing was recorded; None if the sandbox works.
    """

    problems: int
    refused: dict[str, str]
    samples_sha256: str
    problems_sha256: str
    fuel: int
    not_executed: str | None = None


@dataclass(frozen=True)
class ExecutionFacts:
    """execution.json: what the unit tests say of a run's answers.

    Attributes:
        inputs_sha256: SHA-256 of `predictions` and `problems`.
        verdicts_sha256: SHA-256 of the verdicts.
        answers: Number of answers that were judged: of each problem as many as its prompt has candidates.
        passed: Number of those that pass all tests.
        errors: Number of the others by what is wrong with them, most frequent first.
        fuel: What all answers took, in instructions of the interpreter's.
        seconds: Duration, over all attempts and cores.
        wasmtime: Version of what runs the interpreter.
        not_executed: Why nothing was executed; None if the sandbox works.
    """

    inputs_sha256: dict[str, str]
    verdicts_sha256: str
    answers: int
    passed: int
    errors: dict[str, int] = field(default_factory=dict)
    fuel: int = 0
    seconds: float = 0.0
    wasmtime: str = ""
    not_executed: str | None = None
