"""Reads back what a document of Markdown shows, as CommonMark and GFM have it."""

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
