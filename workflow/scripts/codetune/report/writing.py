"""Tables as CSV, Markdown and LaTeX. Texts are data in each of them: labels and paths may hold any character."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby, takewhile
from typing import Any

import pandas as pd

from codetune.base.files import atomic, write_text
from codetune.base.text import markdown_cell, markdown_heading, markdown_paragraph
from codetune.report.latex import EMPTY, Printed, filled, latex_table
from codetune.report.stamp import stamped, stamped_table

# Columns of names and words; all others are aligned to the right.
LEFT = (
    *("Model", "Scored", "Data", "Test", "Method", "Class", "Verdict"),
    *("Over", "Variant", "Default", "In common", "Most frequent errors", "System / compared with", "Verdict on code"),
    *("Tuning", "Quantization", "Optimizer", "Precision", "Packing", "Searched", "Chosen"),
)
# Columns that say what a row is about, where they stand first; and those that name a group of rows.
NAMES = (
    *("Subject", "Claim", "Test", "In common", "System / compared with", "Variant", "Default", "Class", "Model"),
    *("Method", "Data", "Scored", "Quantization", "Seed", "Seeds", "Searched"),
)
GROUPS = ("Subject", "In common", "Class", "Model")  # and the test set before these
LEAST_PER_GROUP = 1.5  # rows that a group has on average where its name is worth a line

# What a spreadsheet takes for the start of a formula, after the apostrophes that mark text as text; and numbers.
FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠].", re.DOTALL)  # noqa: RUF001 (full-width signs start formulas, too)
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?( ?%)?")


def write_forms(
    table: pd.DataFrame,
    shown: pd.DataFrame,
    title: str,
    note: str,
    outputs: Mapping[str, str],
    more: Mapping[str, Sequence[str]] | None = None,
    unprinted: Collection[str] = (),
) -> None:
    """Writes all three forms; empty cells are dashes for readers and empty in the CSV.

    Args:
        table: What the CSV gets.
        shown: What readers get.
        title: Of the table.
        note: Below the table; in Markdown below the first of its panels.
        outputs: Path for each of csv, md, tex.
        more: Columns that stand in a panel of their own below the first, by its title. Each panel begins with the
            columns that name a row, and has the rows with a value in its own.
        unprinted: Columns that LaTeX leaves out, since a page is narrow.
    """
    title = stamped(title)
    write_csv(table, outputs["csv"])
    shown = texts_of(shown)
    panels = panels_of([*map(str, shown)], more or {})
    parts = [_markdown_panel(shown, title, columns) for title, columns in panels.items()]
    text = [f"# {markdown_heading(title)}", parts[0], markdown_paragraph(note), *parts[1:]]
    write_text(outputs["md"], "\n\n".join(text) + "\n")
    printed = panels_of([name for name in map(str, shown) if name not in unprinted], more or {})
    write_text(outputs["tex"], latex_table(print_of(shown, title, note, printed)))


def panels_of(columns: Sequence[str], more: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The columns of each panel by its title, without those that name a row; the first panel has no title.

    Args:
        columns: All that there are, in order.
        more: Columns of the other panels by their titles; those that the table does not have are left out.
    """
    own = columns[count_names(columns) :]
    elsewhere = {name for names in more.values() for name in names}
    panels = {"": [name for name in own if name not in elsewhere]}
    panels |= {title: [name for name in own if name in names] for title, names in more.items()}
    found = {title: names for title, names in panels.items() if names}
    return found if "" in found else {"": list(own)}


def count_names(columns: Sequence[str]) -> int:
    """How many of the first columns say what a row is about."""
    return max(1, len(list(takewhile(NAMES.__contains__, columns))))


def print_of(shown: pd.DataFrame, title: str, note: str, panels: Mapping[str, Sequence[str]]) -> Printed:
    """A table in print: rows with the same model stand under its name, where that saves a column.

    Args:
        shown: Texts.
        title: Of the table.
        note: Below it.
        panels: The columns of each panel by its title, as `panels_of` gives them.
    """
    head, body = [*map(str, shown)], shown.to_numpy().tolist()
    names = count_names(head)
    tests = int(head[0] == "Test" and len(head) > 1)
    group = tests + 1 if head[tests] in GROUPS else tests
    keys = [key for key, _ in groupby(body, key=lambda row: row[:group])]
    places = {title: [head.index(name) for name in columns] for title, columns in panels.items()}
    grouped = group if names > group and len(body) >= len(keys) * LEAST_PER_GROUP else 0
    return Printed(head, body, [name in LEFT for name in head], title, note, grouped, names, places)


def _markdown_panel(shown: pd.DataFrame, title: str, columns: Sequence[str]) -> str:
    """A panel as a table, below its title."""
    head = [*map(str, shown)]
    count = count_names(head)
    rows = filled(shown.to_numpy().tolist(), [head.index(name) for name in columns], range(count, len(head)))
    panel = pd.DataFrame(rows, columns=head, dtype=object)[[*head[:count], *columns]]
    text = markdown_table(panel, ["left" if name in LEFT else "right" for name in panel])
    return f"## {markdown_heading(title)}\n\n{text}" if title else text


def texts_of(shown: pd.DataFrame) -> pd.DataFrame:
    """What readers get of each cell, and of each column's name."""
    texts = [[EMPTY if pd.isna(cell) else str(cell) for cell in shown[name]] for name in shown]
    return pd.DataFrame(dict(zip(map(str, shown), texts, strict=True)), dtype=object)


def write_csv(table: pd.DataFrame, path: str) -> None:
    """Writes a table as CSV, its texts such that no spreadsheet computes them; `text_of_csv` gives them back."""
    safe = stamped_table(table.apply(_for_spreadsheets))
    with atomic(path) as temporary:
        safe.to_csv(temporary, index=False, lineterminator="\n", errors="backslashreplace")


def _for_spreadsheets(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Puts an apostrophe before texts that a spreadsheet would take for formulas; numbers are left as they are."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    return pd.Series([_as_cell(cell) if isinstance(cell, str) else cell for cell in column], column.index, dtype=object)


def _as_cell(text: str) -> str:
    """A text as a cell; a carriage return, which ends a row for readers and is not quoted, as an escape."""
    text = text.replace("\r", r"\r")
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    return FORMULA.match(text) is not None and not NUMBER.fullmatch(text)


def text_of_csv(cell: str) -> str:
    """Returns the text that `write_csv` wrote as this cell."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def markdown_table(table: pd.DataFrame, align: Sequence[str] | None = None) -> str:
    """Returns a table as Markdown.

    Args:
        table: Texts and numbers.
        align: `left` or `right` for each column; None for the format's default.
    """
    escaped = table.map(lambda value: markdown_cell(str(value))).rename(columns=lambda name: markdown_cell(str(name)))
    return str(escaped.to_markdown(index=False, colalign=align, disable_numparse=True))
