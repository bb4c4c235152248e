"""Part 3: a training twice, killed and resumed, and with too little memory: the same bytes, or the same gradients."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gpu.findings import Finding, Look, tried

POLL = 0.1  # seconds
ROUNDING = 2**-6  # most that gradients may change when fewer sequences are computed at once, relative to their norm


def check(small: bool) -> Iterator[Finding]:
    """Trains in processes of their own: this one must leave the GPU to them, which may be all that it admits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with attempts(folder, small, "train:first", "train:second", "kill:killed") as process:
            yield tried("gradients computed twice", "the same bytes", lambda: _deterministic(folder, process))
            yield tried("trained twice", "the same bytes", lambda: _twice(folder, process))
            yield tried("SIGKILL at a random moment", "ends the process", lambda: _killed(folder, process))
        with attempts(folder, small, "train:killed", "stop:stopped") as process:
            yield tried("resumed after SIGKILL", "the same bytes", lambda: _resumed(folder, process, "killed"))
            yield tried("SIGTERM at a random moment", "saves and ends", lambda: _stopped(folder, process))
        with attempts(folder, small, "train:stopped", "memory") as process:
            yield tried("resumed after SIGTERM", "the same bytes", lambda: _resumed(folder, process, "stopped"))
            yield tried("memory runs out", "half as many sequences at once", lambda: _halved(folder, process))
            expected = f"within {ROUNDING:.1e} of those with enough memory"
            yield tried("gradients in short memory", expected, lambda: _gradients(folder, process))
            yield tried("stopped and resumed in short memory", "the same bytes", lambda: _short(folder, process))


@contextmanager
def attempts(folder: Path, small: bool, *jobs: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does these jobs one after the other, in this process's group."""
    command = [sys.executable, str(Path(__file__).with_name("attempts.py")), str(folder), *jobs, *["--small"] * small]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process
        process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def result(folder: Path, name: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Waits for what a job writes.

    Raises:
        RuntimeError: The process ended without writing it.
    """
    path = folder / f"{name}.json"
    while not path.exists():
        ended = process.poll() is not None
        if ended and not path.exists():
            raise RuntimeError(f"the process ended with status {process.returncode} before {name} was done")
        time.sleep(POLL)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def compare(one: dict[str, Any], other: dict[str, Any]) -> Look:
    """Whether two trainings had the same outcome, byte for byte."""
    found = differences(one["outcome"], other["outcome"])
    same = f"the same {len(one['outcome']['adapters'])} adapters and {len(one['outcome']['log'])} rows of the log"
    return found or same, not found


def differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    """What is different in two outcomes, in words; empty if nothing is."""
    first, second = one["adapters"], other["adapters"]
    names = sorted(first.keys() | second.keys())
    changed = [name for name in names if first.get(name) != second.get(name)]
    found = [f"{len(changed)} of {len(names)} adapters differ, the first at {changed[0]}"] if changed else []
    rows = [a for a, b in zip(one["log"], other["log"], strict=False) if a != b]
    if len(one["log"]) != len(other["log"]):
        found.append(f"{len(one['log'])} and {len(other['log'])} rows of the log")
    elif rows:
        found.append(f"{len(rows)} of {len(one['log'])} rows of the log differ, the first at step {rows[0]['step']}")
    if one["best"] != other["best"]:
        found.append(f"best step {one['best']} and {other['best']}")
    return "; ".join(found)


def _deterministic(folder: Path, process: subprocess.Popen[bytes]) -> Look:
    first = result(folder, "first", process)
    said = "the same bytes" if first["deterministic"] else "other bytes, or a kernel that torch calls not deterministic"
    return f"{said}, with attention {first['attention']}", first["deterministic"]


def _twice(folder: Path, process: subprocess.Popen[bytes]) -> Look:
    return compare(result(folder, "first", process), result(folder, "second", process))


def _killed(folder: Path, process: subprocess.Popen[bytes]) -> Look:
    status = process.wait()
    return f"{_moment(folder, 'killed')}; status {status}", status == -signal.SIGKILL


def _stopped(folder: Path, process: subprocess.Popen[bytes]) -> Look:
    status = process.wait()
    return f"{_moment(folder, 'stopped')}; status {status}", status == 0


def _moment(folder: Path, name: str) -> str:
    with suppress(OSError):
        when = json.loads((folder / f"{name}.signal.json").read_text(encoding="utf-8"))
        return f"{when['delay']} s after step {when['step']}"
    return "no signal was sent"


def _resumed(folder: Path, process: subprocess.Popen[bytes], name: str) -> Look:
    found, first = result(folder, name, process), result(folder, "first", process)
    said, same = compare(first, found)
    return f"resumed after step {found['resumed']} of {found['steps']}: {said}", same and found["resumed"] > 0


def _halved(folder: Path, process: subprocess.Popen[bytes]) -> Look:
    found = result(folder, "memory", process)
    sizes = ", ".join(f"{name} {found[name] / 1e9:.2f}" for name in ("whole", "half", "given"))
    return f"{found['rows']} at once; GB: {sizes}", found["rows"] == found["together"] // 2


def _gradients(folder: Path, process: subprocess.Popen[bytes]) -> Look:
    change = result(folder, "memory", process)["change"]
    return f"{change:.1e}", change < ROUNDING


def _short(folder: Path, process: subprocess.Popen[bytes]) -> Look:
    result(folder, "memory", process)
    whole, stopped = (result(folder, name, process) for name in ("short", "short-stopped"))
    said, same = compare(whole, stopped)
    resumed = f"resumed after step {stopped['resumed']} of {stopped['steps']}, {stopped['rows']} at once: {said}"
    return resumed, same and stopped["resumed"] > 0
