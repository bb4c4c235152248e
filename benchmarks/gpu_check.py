"""Checks in under eight minutes, on one GPU of 24 GB or more, that the study computes there what it does on a CPU.

Usage: python benchmarks/gpu_check.py [--out FOLDER] [--part NAME] [--small]

It needs no network, no make and no lock: Python 3.11 or later with torch 2.11 or later, and transformers, peft, trl,
datasets, bitsandbytes, accelerate and jinja2. A folder of these on PYTHONPATH must be called site-packages, since
datasets fails to hash a pyarrow that lies elsewhere. The parts run one after the other, the most valuable first, each
in a process of its own with a time limit. What a part finds is printed and written as it comes, so that a stop (Ctrl-C)
loses nothing. FOLDER, build/gpu-check by default, gets gpu-<card>.md, the table; gpu-<card>.json; and each part's log.

Exit status: 0 if nothing is off, 1 if something is or the check was stopped, 2 if there is no GPU.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import rmtree

from common import ROOT
from gpu.findings import LIMIT, CheckResult, Finding, PartResult, read_findings
from gpu.report import IN_SMALL, issue_lines, write_report

# isort: split

from codetune.base.environment import CLEARED, KEPT
from codetune.base.machine import environment
from codetune.base.plain import to_plain
from codetune.base.signals import Stopped, stop_on_signals

HERE = Path(__file__).resolve().parent
WHOLE = 465.0  # seconds that all of it may take
IN_SMALL_FACTOR = 4.0  # on a CPU, which may be busy, each limit is so many times as long
ANSWER = 60.0  # seconds within which torch must say which GPU it has
POLL = 0.2  # seconds between two looks at what a part has found
ITSELF, ITS_END = "the part itself", "comes to its end"
DYING = 10.0  # seconds that a killed process may take to end; one that hangs in the driver does not end


@dataclass(frozen=True)
class Part:
    """A part of the check.

    Attributes:
        name: Of its module in `gpu/`.
        seconds: That it may take on a GPU, beside what the parts before it did not need.
    """

    name: str
    seconds: float


PARTS = (  # the most valuable first
    Part("machine", 45),
    Part("architectures", 105),
    Part("training_twice", 110),
    Part("peaks", 80),
    Part("speed", 115),
)


def main() -> int:
    """Runs the check; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu-check", help="folder of results")
    parser.add_argument("--part", choices=[part.name for part in PARTS], help="this part alone")
    parser.add_argument("--small", action="store_true", help="in small, on the CPU; this says nothing about a GPU")
    options = parser.parse_args()
    end_on_signals()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        return _check_card([part for part in PARTS if options.part in (None, part.name)], options.out, options.small)
    except Stopped:
        say("stopped before the first part")
        return 1
    except OSError as error:
        print(f"error: {error.filename or options.out}: {error.strerror}. Name another --out.", file=sys.stderr)
        return 1


def _check_card(parts: Sequence[Part], out: Path, small: bool) -> int:
    """Looks for a GPU, unless the check is in small, and runs the parts; returns the exit status."""
    deadline = time.monotonic() + WHOLE * (IN_SMALL_FACTOR if small else 1)
    card = "the CPU, in small" if small else find_card()
    if card is None:
        return 2
    say(IN_SMALL if small else card)
    return check(parts, out, card, small, deadline)


def check(parts: Sequence[Part], out: Path, card: str, small: bool, deadline: float) -> int:
    """Runs parts and writes the report anew after each finding; returns the exit status.

    Args:
        parts: The parts.
        out: Folder of results.
        card: Name of the GPU.
        small: Whether to run in small, on the CPU.
        deadline: When all must have ended, on the monotonic clock.
    """
    planned = [part.name for part in parts]
    result = CheckResult(card, small, str(date.today()), _commit(), to_plain(environment()), planned)
    done: dict[str, PartResult] = {}

    def report(partial: PartResult) -> None:
        done[partial.name] = partial
        write_report(out, replace(result, parts=list(done.values())))

    stopped, due = False, 0.0
    try:
        for part in parts:  # what the earlier ones did not need of their time is its own, too
            due = max(due, time.monotonic()) + part.seconds * (IN_SMALL_FACTOR if small else 1)
            run(part, out, small, min(due, deadline), report)
    except Stopped:
        stopped = True
    result = replace(result, parts=list(done.values()))
    table, off = write_report(out, result), len(result.off)
    if stopped:
        say("stopped; not run: " + (", ".join(part.name for part in parts if part.name not in done) or "none"))
    for line in issue_lines(result):
        say(line)
    say(f"{off or 'nothing'} off; {table}")
    return 1 if off or stopped else 0


def run(part: Part, out: Path, small: bool, deadline: float, report: Callable[[PartResult], None]) -> None:
    """Runs a part in a process of its own, and reports what it has given so far at each finding and at its end."""
    findings, log, work = out / f"{part.name}.jsonl", out / f"{part.name}.log", out / f".{part.name}"
    findings.unlink(missing_ok=True)
    rmtree(work, ignore_errors=True)
    began = time.monotonic()
    limit = deadline - began
    seen: list[Finding] = []

    def see(found: Sequence[Finding]) -> None:
        for finding in found:
            seen.append(finding)
            verdict = {True: "ok", False: "OFF", None: "-"}[finding.ok]
            say(f"{verdict:3} {part.name}: {finding.check}: {finding.found} (expected: {finding.expected})")
            report(PartResult(part.name, round(time.monotonic() - began, 1), log, list(seen)))

    if limit <= 0:
        see([Finding(ITSELF, ITS_END, "not begun: no time was left", ok=False)])
        return
    process = _start(part, findings, log, work, small, limit)
    ending = "stopped"
    try:
        while not _has_ended(process) and time.monotonic() - began < limit:
            see(read_findings(findings)[len(seen) :])
        ending = _ending(process.returncode, limit)
    finally:
        kill_group(process)
        rmtree(work, ignore_errors=True)
        see(read_findings(findings)[len(seen) :])
        if ending or not seen:
            see([Finding(ITSELF, ITS_END, ending or "found nothing", ok=False)])


def _start(part: Part, findings: Path, log: Path, work: Path, small: bool, limit: float) -> subprocess.Popen[bytes]:
    """Starts a part's process, the first of a group of its own."""
    work.mkdir()
    command = [sys.executable, str(HERE / "gpu" / "part.py"), part.name, str(findings.resolve()), *["--small"] * small]
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment_of_part(small, work) | {LIMIT: f"{limit:.0f}"},
            start_new_session=True,
        )


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended, after a short wait for its end."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(POLL)
    return process.poll() is not None


def _ending(status: int | None, limit: float) -> str:
    """What there is to say of how a part's process ended; nothing if it did so by itself, without an error."""
    if status == 0:
        return ""
    if status is None:
        return f"killed at its limit of {limit:.0f} s"
    return f"ended by signal {-status}" if status < 0 else f"failed with status {status}; its log says why"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and all that it has started; one that hangs in the driver is not waited for long."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(DYING)


def environment_of_part(small: bool, work: Path) -> dict[str, str]:
    """The variables of a part's process: those of this one that jobs of the study see, and one GPU alone."""
    kept = {name: value for name, value in os.environ.items() if not _is_cleared(name)}
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return kept | {
        "CUDA_VISIBLE_DEVICES": "" if small else first,
        "TMPDIR": str(work.resolve()),
        "HF_HOME": str(work.resolve()),
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "ignore",
    }


def _is_cleared(name: str) -> bool:
    """Whether jobs of the study do not see a variable, or the workflow sets it for them alone."""
    patterns = (*CLEARED, "CODETUNE_*")
    return name not in KEPT and any(fnmatchcase(name, pattern) for pattern in patterns)


def find_card() -> str | None:
    """Name of the GPU; None where there is none, after a line that says why."""
    asked = subprocess.Popen(
        [sys.executable, str(HERE / "gpu" / "card.py")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said = asked.communicate(timeout=ANSWER)[0].strip().splitlines() or [f"status {asked.returncode}"]
        answers = [line for line in said if line.startswith("{")]  # libraries may have more to say at the end
        found = json.loads(answers[-1]) if answers else {"problem": said[-1]}
    except subprocess.TimeoutExpired:
        found = {"problem": f"torch and the driver give no answer within {ANSWER:.0f} s"}
    finally:
        kill_group(asked)
    if "problem" in found:
        print(f"error: no GPU: {found['problem']}. --small tries the check itself on the CPU.", file=sys.stderr)
        return None
    return str(found["card"])


def end_on_signals() -> None:
    """Lets Ctrl-C, SIGTERM and, without nohup, the end of the terminal end the check; only the first of them counts."""
    stop_on_signals()
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def say(line: str) -> None:
    """Prints a line, if there is still someone to read it."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _commit() -> str | None:
    """The project's commit; None where git does not say."""
    with suppress(OSError):
        asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        return asked.stdout.strip() or None
    return None


if __name__ == "__main__":
    sys.exit(main())
