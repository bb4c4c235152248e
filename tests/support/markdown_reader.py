"""Reads back what a document of Markdown shows, as CommonMark and GFM have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

STRUCTURE = {"table", "thead", "tbody", "tr", "th", "td", "heading", "paragraph"}


@dataclass
class Document:
    """Texts of its headings, its paragraphs and the rows of its tables."""

    headings: list[str]
    paragraphs: list[str]
    tables: list[list[list[str]]]


def read_markdown(path: str | Path) -> Document:
    """Reads a document of headings, paragraphs and tables; fails where it holds anything else."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(Path(path).read_text(encoding="utf-8"))
    document, within = Document([], [], []), ""
    for token in tokens:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if token.type == "inline":
            assert {part.type for part in token.children} <= {"text"}, token.content
            text = "".join(part.content for part in token.children)
            if within in ("th", "td"):
                document.tables[-1][-1].append(text)
            else:
                (document.headings if within == "heading" else document.paragraphs).append(text)
            continue
        assert name in STRUCTURE, token.type
        if token.type == "table_open":
            document.tables.append([])
        elif token.type == "tr_open":
            document.tables[-1].append([])
        within = name
    return document


def rows_of(path: str | Path) -> list[dict[str, str]]:
    """The rows of a document's tables by the names of their columns, with panels of one table beside each other."""
    return beside_each_other(read_markdown(path).tables)


def beside_each_other(panels: Sequence[Sequence[Sequence[str]]]) -> list[dict[str, str]]:
    """The rows of panels by the names of their columns.

    A row is in each panel that has something to say of it; in the others its cells are dashes.

    Args:
        panels: The rows of each, head first. The columns that all have tell which row is which.
    """
    shared = [name for name in panels[0][0] if all(name in panel[0] for panel in panels)] if len(panels) > 1 else []
    columns = list(dict.fromkeys(name for panel in panels for name in panel[0]))
    merged: dict[object, dict[str, str]] = {}
    for head, *rows in sorted(panels, key=len, reverse=True):  # the longest tells the order
        for number, row in enumerate(rows):
            cells = dict(zip(head, row, strict=True))
            key = tuple(cells[name] for name in shared) or number
            merged.setdefault(key, dict.fromkeys(columns, "-")).update(cells)
    return list(merged.values())
