"""Tables as CSV, Markdown and LaTeX. Texts are data in each of them: labels and paths may hold any character."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from codetune.base.files import atomic, write_text
from codetune.base.text import markdown_cell, markdown_heading, markdown_paragraph
from codetune.report.latex import latex_table
from codetune.report.stamp import stamped, stamped_table

# Columns of names and words; all others are aligned to the right.
LEFT = (
    *("Model", "Scored", "Data", "Test", "Method", "By", "Class", "Verdict"),
    *("Over", "Variant", "Default", "In common", "System / compared with", "Verdict on code"),
    *("Tuning", "Quantization", "Optimizer", "Precision", "Packing", "Searched", "Chosen"),
)
EMPTY = "-"  # what readers get for a cell without a value

# What a spreadsheet takes for the start of a formula, after the apostrophes that mark text as text; and numbers.
FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠].", re.DOTALL)  # noqa: RUF001 (full-width signs start formulas, too)
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?( ?%)?")


def write_forms(table: pd.DataFrame, shown: pd.DataFrame, title: str, note: str, outputs: Mapping[str, str]) -> None:
    """Writes all three forms; empty cells are dashes for readers and empty in the CSV.

    Args:
        table: What the CSV gets.
        shown: What readers get.
        title: Of the table.
        note: Below the table.
        outputs: Path for each of csv, md, tex.
    """
    title = stamped(title)
    write_csv(table, outputs["csv"])
    shown = texts_of(shown)
    left = [name in LEFT for name in shown]
    table_text = markdown_table(shown, ["left" if one else "right" for one in left])
    write_text(outputs["md"], f"# {markdown_heading(title)}\n\n{table_text}\n\n{markdown_paragraph(note)}\n")
    write_text(outputs["tex"], latex_table([*map(str, shown)], shown.to_numpy().tolist(), left, title, note))


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
