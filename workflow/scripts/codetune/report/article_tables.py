"""The tables of the paper about a study: short forms of those beside it, which they name."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codetune.papers.verdicts import (
    AGREES,
    COMPATIBLE,
    DISAGREES,
    NOT_CHECKABLE,
    NOT_COMPATIBLE,
    NOT_STATED,
    UNDECIDED,
)
from codetune.report.article import DETAIL, EXTRA, MORE, Part, say_files
from codetune.report.finding import Material, files_of
from codetune.report.latex import EMPTY
from codetune.report.provenance import checkpoints_of
from codetune.report.quoted import SystemRow, read_table
from codetune.report.short_table import ShortTable
from codetune.report.writing import LEFT

MOST_ROWS = 15  # of a table that has one per system; a longer one has a row per method
MOST_CLAIMS = 12
VERDICTS = (AGREES, COMPATIBLE, UNDECIDED, NOT_COMPATIBLE, DISAGREES, NOT_CHECKABLE, NOT_STATED)
FAILED, SCORES = (NOT_COMPATIBLE, DISAGREES), "Scores, here"
WORDS = {*LEFT, "Subject", "Claim", "Where", "Checkpoint", "Commit", "Untuned", "Baseline", "Here", "Paper"}
SETTINGS = {
    "Batch": "batch_size",
    "Epochs": "epochs",
    "Learning rate": "learning_rate",
    "Rank": "rank",
    "Trained": "trainable",
    "Trained (%)": "trainable_percent",
    "Steps planned": "steps",
}
COSTS = {
    "Training (h)": "training_hours",
    "With its search (h)": "search_hours",
    "Energy (kWh)": "training_kwh",
    "Memory (GiB)": "training_memory_gib",
    "On disk (MB)": "disk_mb",
    "Decoding (min)": "generation_minutes",
    "Its memory (GiB)": "generation_memory_gib",
}


def settings_table(rows: Sequence[SystemRow], path: str) -> Part:
    """Table 1: how each system is trained; of many systems each method."""
    note = (
        "Trained: parameters, counted without the weights. Steps planned: those of all epochs, before any early stop."
    )
    return replace(_by_system_or_method("How models are tuned", rows, SETTINGS, note, path), key="settings")


def cost_table(rows: Sequence[SystemRow], path: str) -> Part:
    """What each system took, or each method."""
    whose = " or ".join(sorted({row.cells["memory_of"] for row in rows} - {""}))
    note = f"Memory is the peak of the {whose}. Times are means over seeds, decoding is that of all test sets."
    return replace(_by_system_or_method("What it takes", rows, COSTS, note, path), key="cost", rank=MORE)


def _by_system_or_method(title: str, rows: Sequence[SystemRow], columns: dict[str, str], note: str, path: str) -> Part:
    short = len(rows) > MOST_ROWS
    groups: dict[tuple[str, ...], list[SystemRow]] = {}
    for row in rows:
        groups.setdefault((row.system.method,) if short else tuple(row.system), []).append(row)
    names: dict[str, Callable[[Sequence[SystemRow]], str]] = {"Method": lambda of: of[0].system.method}
    if short:
        names["Systems"] = lambda of: str(len(of))
        note += " Ranges are over the models of a method."
    else:
        names = {"Model": lambda of: of[0].label, **names}
    cells = {name: [of_row(group) for group in groups.values()] for name, of_row in names.items()}
    for name, key in columns.items():
        found = [_range(group, key) for group in groups.values()]
        if set(found) != {EMPTY}:
            cells[name] = found
    shown = list(zip(*cells.values(), strict=True))
    return _table(
        title, list(cells), shown[: 2 * MOST_ROWS], f"{note} {_say_more(shown)}{say_files([path])}", wide=True
    )


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str, **more: Any) -> Part:
    return Part("table", title, head=head, rows=rows, left=[name in WORDS for name in head], note=note, **more)


def _say_more(rows: Sequence[Any]) -> str:
    """Says that there are more rows."""
    return "More rows are not shown. " if len(rows) > 2 * MOST_ROWS else ""


def _range(rows: Iterable[SystemRow], key: str) -> str:
    """What some systems have in common, or from where to where it goes."""
    known = sorted((one for row in rows if (one := row.numbers.get(key))), key=lambda one: float(one.value))
    return " to ".join(dict.fromkeys(one.text for one in [*known[:1], *known[-1:]])) or EMPTY


def score_table(table: ShortTable, files: Sequence[str], number: int) -> Part:
    """Table 2 in short.

    Args:
        table: Of one test set.
        files: What it is made from.
        number: Its place among those of all test sets, from 0 on.
    """
    note = f"{table.note} {_say_more(table.rows)}{say_files(files)}".strip()
    title, rank = f"Before and after tuning: {table.title}", DETAIL if number else 0
    return _table(title, table.head, table.rows[: 2 * MOST_ROWS], note, wide=True, key=f"scores{number}", rank=rank)


def claim_tables(path: str) -> Iterator[Part]:
    """How the paper's claims fare, by subject; and the claims about scores, and those that fail, one by one."""
    rows = read_table(path)
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["subject"], Counter())[row["verdict"]] += 1
    verdicts = [verdict for verdict in VERDICTS if any(of[verdict] for of in counts.values())]
    cells = [[subject, *(str(of[verdict] or EMPTY) for verdict in verdicts)] for subject, of in counts.items()]
    head = ["Subject", *(verdict.capitalize() for verdict in verdicts)]
    yield _table("The paper's claims by verdict", head, cells, say_files([path]), wide=True, key="claims", rank=MORE)
    checked = [row for row in rows if row["verdict"] not in (NOT_CHECKABLE, NOT_STATED)]
    told = [row for row in checked if row["subject"] == SCORES or row["verdict"] in FAILED]
    told.sort(key=lambda row: (row["subject"] != SCORES, row["verdict"] not in FAILED))
    if told:
        columns = {"Claim": "claim", "Where": "place", "Paper": "paper", "Here": "computed", "Verdict": "verdict"}
        note = f"{'More of these, and all' if len(told) > MOST_CLAIMS else 'All'} other claims are in {path}."
        shown = [[row[column] for column in columns.values()] for row in told[:MOST_CLAIMS]]
        title = "Claims on scores, and claims that fail"
        yield _table(title, list(columns), shown, note, wide=True, key="failed", rank=EXTRA)


def checkpoint_table(material: Material) -> Part:
    """Which checkpoints the runs started from; of a local folder the last name."""
    found = checkpoints_of(material.records)
    labels = {record.run.model: record.model.label for record in material.records}
    rows = [
        [labels[name], Path(one.path).name if one.path else one.origin, (one.revision or EMPTY)[:12]]
        for name, one in found.items()
    ]
    note = f"Commits are shortened. {say_files(files_of(material.records))}"
    return _table(
        "Checkpoints",
        ["Model", "Checkpoint", "Commit"],
        rows[:MOST_ROWS],
        note,
        wide=True,
        key="checkpoints",
        rank=EXTRA,
    )
