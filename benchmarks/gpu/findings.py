"""What a check finds: the nouns, and the file to which a part appends its findings as they come."""

import json
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

LIMIT = "CODETUNE_GPU_CHECK_SECONDS"  # variable with the seconds after which a part's process is killed
Look = tuple[str, bool | None]  # what something is, in words, and whether that is as expected


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at, in a few words.
        expected: What it should be.
        found: What it is, with units.
        ok: Whether it is as expected; None for what is only reported.
    """

    check: str
    expected: str
    found: str
    ok: bool | None


@dataclass(frozen=True)
class PartResult:
    """What a part of the check has given.

    Attributes:
        name: Name of the part, and of its module.
        seconds: How long it took.
        log: File with all that it printed.
        findings: In the order in which they came; the last says so if the part did not come to its end.
    """

    name: str
    seconds: float
    log: Path
    findings: list[Finding]


@dataclass(frozen=True)
class CheckResult:
    """What the whole check has given so far.

    Attributes:
        card: Name of the GPU.
        small: Whether it ran in small on the CPU, which says nothing about a GPU.
        date: Day on which it began.
        commit: Commit of the project; None where git does not say.
        environment: The machine and the versions, as plain values.
        planned: Names of the parts that are to run.
        parts: The parts that have begun, in their order.
    """

    card: str
    small: bool
    date: str
    commit: str | None
    environment: dict[str, object]
    planned: list[str] = field(default_factory=list)
    parts: list[PartResult] = field(default_factory=list)

    @property
    def off(self) -> list[tuple[PartResult, Finding]]:
        """All findings that are not as expected, each with its part."""
        return [(part, finding) for part in self.parts for finding in part.findings if finding.ok is False]


def append_finding(path: Path, finding: Finding) -> None:
    """Appends a finding to a file of JSON lines; it is there even if the process is killed right after."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(finding), ensure_ascii=False, allow_nan=False) + "\n")


def read_findings(path: Path) -> list[Finding]:
    """Reads the findings that a file has so far; a line that is being written is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    return [Finding(**json.loads(line)) for line in lines]


def tried(check: str, expected: str, look: Callable[[], Look]) -> Finding:
    """Looks at something; an error is a finding, too, with its traceback in the log, and ends no part.

    Args:
        check: What is looked at.
        expected: What it should be.
        look: Looks; returns what it is, and whether that is as expected.
    """
    try:
        return Finding(check, expected, *look())
    except Exception as error:
        traceback.print_exc()
        return Finding(check, expected, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}", ok=False)
