"""Rule summary: the study's conclusions as a document and as the first page of the report."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codetune.base.files import reading, write_text
from codetune.base.text import markdown, markdown_heading, markdown_paragraph
from codetune.report.finding import Finding, Material
from codetune.report.findings import conclude, read_material
from codetune.report.page import to_html, with_policy
from codetune.report.short_table import short_tables
from codetune.report.writing import LEFT, markdown_table
import pandas as pd

TITLE = "What this study found"
MOST_FILES = 4


def write_summary(inputs: Mapping[str, Any], metric: str, outputs: Mapping[str, str]) -> None:
    """Writes the conclusions as Markdown and as a page that holds all that it shows.

    Args:
        inputs: Paths: those of `read_material`; `figures`, SVG files to show beneath; and `template` of a page.
        metric: Name of the study's metric.
        outputs: Path for each of `text` and `page`.
    """
    text = summary_of(read_material(inputs, metric))
    write_text(outputs["text"], text)
    write_text(outputs["page"], _page(text, inputs["template"], inputs["figures"]))


def summary_of(material: Material) -> str:
    """The conclusions, Table 2 in short, and what cannot be said, as Markdown."""
    findings = conclude(material)
    limits = [one for one in findings if one.is_limit]
    parts = [f"# {TITLE}", _list_of([one for one in findings if not one.is_limit])]
    for table in short_tables(material):
        align = ["left" if name in LEFT else "right" for name in table.head]
        frame = pd.DataFrame([list(row) for row in table.rows], columns=list(table.head), dtype=object)
        parts += [f"## {markdown_heading(table.title)}", markdown_table(frame, align)]
        parts += [markdown_paragraph(table.note)] if table.note else []
    parts += ["## What it cannot say", _list_of(limits), _say_files(findings)]
    return "\n\n".join(parts) + "\n"


def _list_of(findings: Sequence[Finding]) -> str:
    """Findings as a list, in which details stand beneath what they belong to."""
    lines: list[str] = []
    parent: Finding | None = None
    for one in findings:
        detail = one.is_detail_of(parent)
        lines.append(f"{'  ' if detail else ''}- {markdown_paragraph(one.text)}")
        parent = parent if detail else one
    return "\n".join(lines)


def _say_files(findings: Sequence[Finding]) -> str:
    """What the sentences follow from."""
    files = list(dict.fromkeys(path for one in findings for path in one.files if "*" in path or "/runs/" not in path))
    return f"All numbers are from {', '.join(markdown(path) for path in files[:MOST_FILES])}."


def _page(text: str, template: str, figures: Sequence[str]) -> str:
    """The document as a page, with the figures in it."""
    with reading(template):
        page = with_policy(Path(template).read_text(encoding="utf-8"))
    page = page.replace("default-src 'none'", "default-src 'none'; img-src data:", 1)
    body = f"<main>\n{to_html(text)}</main>\n{''.join(map(_figure, figures))}"
    return page.replace("TITLE", html.escape(TITLE), 1).replace("\nBODY\n", f"\n{body}\n", 1)


def _figure(path: str) -> str:
    with reading(path):
        data = base64.b64encode(Path(path).read_bytes()).decode()
    return f'<p><img alt="{html.escape(Path(path).stem)}" src="data:image/svg+xml;base64,{data}"></p>\n'
