"""Rule sandbox: the interpreter, fetched and compiled, and the sandbox's own test."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import write_json
from codetune.base.plain import read_as, to_plain
from codetune.execution.interpreter import SHA256, Interpreter, check_interpreter, fetch_interpreter
from codetune.execution.sandbox import Sandbox
from codetune.execution.selftest import try_sandbox
from codetune.study.execution import SandboxFacts

INTERPRETER = "python.wasm"  # beside the facts


def prepare_sandbox(target: str) -> None:
    """Fetches and compiles the interpreter, tries the sandbox, and writes whether it works.

    A sandbox that does not work is no error: the study goes on without executing anything.

    Args:
        target: The facts to write; the interpreter lies beside them.
    """
    interpreter = Path(target).with_name(INTERPRETER)
    reason, tried = None, list[str]()
    try:
        if interpreter.exists():
            check_interpreter(interpreter)
        else:
            fetch_interpreter(interpreter)
        tried = try_sandbox(Sandbox(Interpreter(interpreter)))
        print(f"tried: {', '.join(tried)}")
    except (StudyError, OSError, ImportError) as error:
        reason = str(error)
        print(not_executed(reason, "sandbox"))
    write_json(target, to_plain(SandboxFacts(reason is None, reason, tried, SHA256, _version())))


def open_sandbox(facts: str, rule: str) -> tuple[Sandbox | None, str | None]:
    """Opens the sandbox and tries it on this machine, which may be another than the one that prepared it.

    Args:
        facts: The facts that `prepare_sandbox` wrote.
        rule: Name of the rule that opens it.

    Returns:
        The sandbox, and None; or None, and why there is none.
    """
    found = read_as(facts, SandboxFacts)
    reason, again = found.reason, "sandbox"
    if reason is None:
        sandbox = Sandbox(Interpreter(Path(facts).with_name(INTERPRETER)))
        try:
            try_sandbox(sandbox)
        except (StudyError, OSError, ImportError) as error:
            reason, again = str(error), rule
        else:
            return sandbox, None
    print(not_executed(reason, again), flush=True)
    return None, reason


def not_executed(reason: str, rule: str) -> str:
    """Returns the line that says that no code is run, why, and what to do: to have a rule run again."""
    return (
        f"no generated code is executed: {reason} Every other metric is measured all the same. To try again, add "
        f"'--forcerun {rule}' to the command."
    )


def _version() -> str:
    try:
        return version("wasmtime")
    except PackageNotFoundError:
        return "none"
