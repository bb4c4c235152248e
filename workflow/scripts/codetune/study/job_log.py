"""What the log of a job says of how far it is: the lines that base/progress.py and training/progress.py write."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

TAIL, HEAD = 16_384, 8_192  # bytes that are read of a log
STEP = re.compile(r"step (\d+)/(\d+): (.*) \[(.*)\]")
COUNTED = re.compile(r"([^;:]+): ([\d,.]+) of ([\d,.]+) \S.*?, (\d+) %")
SO_FAR = re.compile(r"([^;:]+): for [^;]+ so far")
LEFT = re.compile(r"(?:about|at most) ([\d.]+ (?:seconds?|minutes|hours)) left")
SPEED = re.compile(r"([\d,]+ tokens/s|[\d.]+ MB/s)")
MEMORY = re.compile(r"([\d.]+ GiB) of \w+ memory")
LOSS = re.compile(r"(?<!eval_)loss ([^,]+)")
GPUS = re.compile(r"^GPUs of this job: (.+)$", re.MULTILINE)
WAITS = re.compile(r"^waiting for .* to (become free|end)")


@dataclass(frozen=True)
class Progress:
    """How far a job is, as its log says; empty where it says nothing.

    Attributes:
        doing: What it does.
        share: How much of it is done, from 0 to 1; None if unknown.
        loss: The newest training loss.
        speed: Tokens, or megabytes, per second.
        left: How long it takes at most.
        memory: The most memory that it took.
        gpus: The GPUs that it has.
        waits: Whether it waits for a GPU, or for another process.
        last: The last line.
    """

    doing: str = ""
    share: float | None = None
    loss: str = ""
    speed: str = ""
    left: str = ""
    memory: str = ""
    gpus: str = ""
    waits: bool = False
    last: str = ""


def read_progress(path: str | Path) -> Progress:
    """Reads how far a job is; nothing is known of one without a log.

    Only the first and the last kilobytes are read, so that it takes no time however long the log is.
    """
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(HEAD)
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL))
            tail = stream.read()
    except OSError:
        return Progress()
    lines = [line for line in tail.decode(errors="replace").splitlines() if line.strip()]
    gpus = GPUS.search(head.decode(errors="replace"))
    return _of_lines(lines, gpus[1] if gpus else "")


def _of_lines(lines: list[str], gpus: str) -> Progress:
    """How far a job is by the last lines of its log; of each thing the newest word counts."""
    last = lines[-1] if lines else ""
    doing, share, left = _how_far(lines)
    return Progress(
        doing=doing,
        share=share,
        loss=_newest([match[3] for line in lines if (match := STEP.match(line))], LOSS),
        speed=_newest(lines, SPEED),
        left=left,
        memory=_newest(lines, MEMORY),
        gpus=gpus,
        waits=bool(WAITS.match(last)),
        last=last,
    )


def _newest(lines: list[str], pattern: re.Pattern[str]) -> str:
    """The newest match of a pattern."""
    return next((match[1] for line in reversed(lines) if (match := pattern.search(line))), "")


def _how_far(lines: list[str]) -> tuple[str, float | None, str]:
    """What is done, the share that is done, and the time left: of the job as a whole, which a line names first."""
    for line in reversed(lines):
        whole, *within = line.split("; ")
        left = LEFT.search(whole)
        if step := STEP.match(line):
            return "training", int(step[1]) / max(int(step[2]), 1), left[1] if left else ""
        named = [match[1] for part in (whole, *within) if (match := COUNTED.match(part) or SO_FAR.match(part))]
        if named:
            counted = COUNTED.match(whole)
            return named[-1], int(counted[4]) / 100 if counted else None, left[1] if left else ""
    return "", None, ""
