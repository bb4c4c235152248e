"""The report of a check: a table for readers, and the same as JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from gpu.findings import CheckResult, Finding

IN_SMALL = "In small, on the CPU: this says nothing about a GPU."


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
    _replace(table.with_suffix(".json"), json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    return table


def slug(card: str) -> str:
    """A card's name as a file's: `NVIDIA RTX A5000` is `rtx-a5000`."""
    words = "".join(letter if letter.isalnum() and letter.isascii() else " " for letter in card.lower()).split()
    return "-".join(word for word in words if word != "nvidia") or "unknown"


def markdown(result: CheckResult) -> str:
    """The table, with what it was made by."""
    lines = [f"# {result.card}", ""]
    if result.small:
        lines += [IN_SMALL, ""]
    lines += ["| part | check | expected | found | ok |", "|---|---|---|---|---|"]
    lines += [_row(part.name, finding) for part in result.parts for finding in part.findings]
    return "\n".join(lines) + "\n"


def _row(part: str, finding: Finding) -> str:
    verdict = {True: "yes", False: "**no**", None: "-"}[finding.ok]
    cells = [part, finding.check, finding.expected, finding.found]
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + f" | {verdict} |"


def _replace(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
