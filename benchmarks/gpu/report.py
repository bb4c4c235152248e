"""The report of a check: a table for readers with the lines to file, and the same as JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from gpu.findings import CheckResult, Finding

IN_SMALL = "In small, on the CPU: this says nothing about a GPU."
DRIVER = Path("/proc/driver/nvidia/version")
SHOWN = ("torch", "transformers", "peft", "trl", "bitsandbytes")  # of the packages, in the table's first lines


def write_report(out: Path, result: CheckResult) -> Path:
    """Writes OUT/gpu-<card>.md and .json; returns the path of the table.

    Args:
        out: The folder of results.
        result: What was found so far.
    """
    name = "small" if result.small else slug(result.card)
    table = out / f"gpu-{name}.md"
    _replace(table, markdown(result))
    plain = asdict(result) | {"parts": [asdict(part) | {"log": str(part.log)} for part in result.parts]}
    _replace(table.with_suffix(".json"), json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return table


def slug(card: str) -> str:
    """A card's name as a file's: `NVIDIA RTX A5000` is `rtx-a5000`."""
    words = "".join(letter if letter.isalnum() and letter.isascii() else " " for letter in card.lower()).split()
    return "-".join(word for word in words if word != "nvidia")[:80].rstrip("-") or "unknown"


def markdown(result: CheckResult) -> str:
    """The table, with what it was made by, and a line to file for each finding that is off."""
    lines = [f"# {_in_one_line(result.card)}", ""]
    if result.small:
        lines += [IN_SMALL, ""]
    lines += [f"- {line}" for line in _origin(result)]
    lines += ["", "| part | check | expected | found | ok |", "|---|---|---|---|---|"]
    lines += [_row(part.name, finding) for part in result.parts for finding in part.findings]
    if off := issue_lines(result):
        lines += ["", "## To file", "", *(f"- {line}" for line in off)]
    return "\n".join(lines) + "\n"


def issue_lines(result: CheckResult) -> list[str]:
    """A line for each finding that is not as expected, ready to be filed as an issue."""
    where = "in small, on the CPU" if result.small else f"GPU {result.card}"
    return [
        _in_one_line(
            f"{where}: {part.name}: {finding.check}: expected {finding.expected}, found {finding.found}; log {part.log}"
        )
        for part, finding in result.off
    ]


def _origin(result: CheckResult) -> list[str]:
    """What the findings come from, and how much of the check there is."""
    packages = result.environment.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    shown = [f"{name} {versions[name]}" for name in SHOWN if name in versions]
    commit, python = result.commit or "unknown", result.environment.get("python", "unknown")
    seconds = ", ".join(f"{part.name} {part.seconds:.0f} s" for part in result.parts)
    missing = [name for name in result.planned if name not in {part.name for part in result.parts}]
    lines = [
        f"`python benchmarks/gpu_check.py`, {result.date}, commit {commit[:12]}",
        f"driver {_driver()}; Python {python}, {', '.join(shown) or 'no packages'}",
        f"parts: {seconds or 'none'}" + (f"; not run: {', '.join(missing)}" if missing else ""),
    ]
    return list(map(_in_one_line, lines))


def _driver(path: Path = DRIVER) -> str:
    """Version of NVIDIA's driver."""
    try:
        words = path.read_text(encoding="utf-8").split("\n", 1)[0].split()
    except OSError:
        return "unknown"
    return next((word for word in words if word[0].isdigit()), "unknown")


def _row(part: str, finding: Finding) -> str:
    verdict = {True: "yes", False: "**no**", None: "-"}[finding.ok]
    cells = [part, finding.check, finding.expected, finding.found]
    return "| " + " | ".join(_in_one_line(cell).replace("|", "\\|") for cell in cells) + f" | {verdict} |"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _replace(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
