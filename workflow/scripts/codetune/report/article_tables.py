"""The tables of the paper about a study: short forms of those beside it, which they name."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from codetune.papers.verdicts import (
    AGREES,
    COMPATIBLE,
    DISAGREES,
    NOT_CHECKABLE,
    NOT_COMPATIBLE,
    NOT_STATED,
    UNDECIDED,
)
from codetune.report.article import EXTRA, MORE, Part, say_files
from codetune.report.finding import Material
from codetune.report.provenance import checkpoints_of
from codetune.report.quoted import SystemRow, read_table
from codetune.report.short_table import ShortTable
from codetune.report.writing import EMPTY, LEFT

MOST_ROWS = 15  # of a table that has one per system; a longer one has a row per method
MOST_CLAIMS = 12
VERDICTS = (AGREES, COMPATIBLE, UNDECIDED, NOT_COMPATIBLE, DISAGREES, NOT_CHECKABLE, NOT_STATED)
FAILED, SCORES = (NOT_COMPATIBLE, DISAGREES), "Scores, here"
WORDS = {*LEFT, "Subject", "Claim", "Where", "Checkpoint", "Commit", "Weights", "Schedule", "Untuned", "Baseline"}
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
    "with its search (h)": "search_hours",
    "Tokens/s": "training_tokens_per_second",
    "Energy (kWh)": "training_kwh",
    "Memory (GiB)": "training_memory_gib",
    "On disk (MB)": "disk_mb",
    "Decoding (h)": "generation_hours",
    "Decoding: tokens/s": "generation_tokens_per_second",
    "Decoding: memory (GiB)": "generation_memory_gib",
}


def settings_table(rows: Sequence[SystemRow], path: str) -> Part:
    """Table 1: how each system is trained; of many systems each method."""
    note = "Trained: parameters, counted without the weights. Steps planned: those of all epochs, before any early stop."
    return _by_system_or_method("How models are tuned", rows, SETTINGS, note, path)


def cost_table(rows: Sequence[SystemRow], path: str) -> Part:
    """What each system took, or each method."""
    whose = sorted({row.cells["memory_of"] for row in rows} - {""})
    note = f"Memory is the peak of the {' or '.join(whose) or 'process'}. Times are means over seeds, those of decoding of all test sets."
    return _by_system_or_method("What it takes", rows, COSTS, note, path, rank=MORE)


def _by_system_or_method(
    title: str, rows: Sequence[SystemRow], columns: dict[str, str], note: str, path: str, rank: int = 0
) -> Part:
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
    note = f"{note} {say_files([path])}"
    return Part("table", title, head=list(cells), rows=list(zip(*cells.values(), strict=True)), left=_sides(cells),
                note=note, wide=True, rank=rank)  # fmt: skip


def _range(rows: Iterable[SystemRow], key: str) -> str:
    """What some systems have in common, or from where to where it goes."""
    known = sorted((one for row in rows if (one := row.numbers.get(key))), key=lambda one: float(one.value))
    return " to ".join(dict.fromkeys(one.text for one in [*known[:1], *known[-1:]])) or EMPTY


def _sides(names: Iterable[str]) -> list[bool]:
    return [name in WORDS for name in names]


def score_table(table: ShortTable, files: Sequence[str], rank: int) -> Part:
    """Table 2 in short."""
    rows, more = table.rows[: 2 * MOST_ROWS], len(table.rows) - 2 * MOST_ROWS
    left = f"{more:,} more rows are in the table. " if more > 0 else ""
    note = f"{table.note} {left}{say_files(files)}".strip()
    return Part("table", table.title, head=table.head, rows=rows, left=_sides(table.head), note=note, wide=True, rank=rank)


def claim_tables(path: str) -> Iterator[Part]:
    """How the paper's claims fare, by subject; and the claims about scores, and those that fail, one by one."""
    rows = read_table(path)
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["subject"], Counter())[row["verdict"]] += 1
    verdicts = [verdict for verdict in VERDICTS if any(of[verdict] for of in counts.values())]
    cells = [[subject, *(str(of[verdict] or EMPTY) for verdict in verdicts)] for subject, of in counts.items()]
    head = ["Subject", *(verdict.capitalize() for verdict in verdicts)]
    yield Part("table", "The paper's claims by verdict", head=head, rows=cells, left=_sides(head), note=say_files([path]),
               rank=MORE)  # fmt: skip
    told = [row for row in rows if row["verdict"] in VERDICTS[:5] and (row["subject"] == SCORES or row["verdict"] in FAILED)]
    told.sort(key=lambda row: (row["subject"] != SCORES, row["verdict"] not in FAILED))
    if told:
        columns = {"Claim": "claim", "Where": "place", "Paper": "paper", "Here": "computed", "Verdict": "verdict"}
        more = len(told) - MOST_CLAIMS
        note = f"{f'{more} more, and all others, are' if more > 0 else 'All claims are'} in {path}."
        shown = [[row[column] for column in columns.values()] for row in told[:MOST_CLAIMS]]
        yield Part("table", "Claims on scores, and claims that fail", head=list(columns), rows=shown,
                   left=[True] * len(columns), note=note, wide=True, rank=EXTRA)  # fmt: skip


def checkpoint_table(material: Material) -> Part:
    """Which checkpoints the runs started from."""
    found = checkpoints_of(material.records)
    labels = {record.run.model: record.model.label for record in material.records}
    rows = [[labels[name], one.origin, (one.revision or EMPTY)[:12]] for name, one in found.items()]
    head = ["Model", "Checkpoint", "Commit"]
    return Part("table", "Checkpoints", head=head, rows=rows[:MOST_ROWS], left=_sides(head), rank=EXTRA,
                note="Commits are shortened. From record.json of each run.")  # fmt: skip
