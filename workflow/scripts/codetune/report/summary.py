"""Rule summary: the study's conclusions as a document and as the first page of the report."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from codetune.base.files import reading, write_text
from codetune.base.text import markdown_code, markdown_heading, markdown_paragraph
from codetune.papers.verdicts import common_path
from codetune.report.finding import Finding, Material, listed
from codetune.report.findings import conclude, read_material
from codetune.report.page import to_html, with_policy
from codetune.report.short_table import short_tables
from codetune.report.stamp import stamped_sections
from codetune.report.writing import LEFT, markdown_table
from codetune.study import layout

TITLE = "What this study found"
FIGURES = "<!-- figures -->\n"


def write_summary(inputs: Mapping[str, Any], template: str | Path, metric: str, outputs: Mapping[str, str]) -> None:
    """Writes the conclusions as Markdown and as a page that holds all that it shows.

    Args:
        inputs: Paths: those of `read_material`; and `figures`, SVG files to show beneath.
        template: Of a page.
        metric: Name of the study's metric.
        outputs: Path for each of `text` and `page`.
    """
    answers, limits = summary_of(read_material(inputs, metric))
    heading, rest = f"{answers}\n{limits}".split("\n\n", 1)
    write_text(outputs["text"], "\n\n".join(stamped_sections([heading, rest])))
    write_text(outputs["page"], _page(answers, limits, Path(template), inputs["figures"]))


def summary_of(material: Material) -> tuple[str, str]:
    """The conclusions with Table 2 in short, and what cannot be said, as Markdown."""
    findings = conclude(material)
    parts = [f"# {TITLE}", _list_of([one for one in _without_details(findings) if not one.is_limit])]
    for table in short_tables(material):
        align = ["left" if name in LEFT else "right" for name in table.head]
        frame = pd.DataFrame([list(row) for row in table.rows], columns=list(table.head), dtype=object)
        parts += [f"## {markdown_heading(table.title)}", markdown_table(frame, align)]
        parts += [markdown_paragraph(table.note)] if table.note else []
    if methods := _by_method(findings):
        parts += ["## By method", methods]
    limits = ["## What it cannot say", _list_of([one for one in findings if one.is_limit]), _say_files(findings)]
    return "\n\n".join(parts) + "\n", "\n\n".join(limits) + "\n"


def _without_details(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are no detail of another one."""
    found: list[Finding] = []
    for one in findings:
        if not found or not one.is_detail_of(found[-1]):
            found.append(one)
    return found


def _by_method(findings: Sequence[Finding]) -> str:
    """What was found of each method, as written and on the code alone, as a list; nothing where there is one method."""
    whole = {one.name for one in _without_details(findings)}
    details = {one.name: one.text for one in findings if one.name not in whole}
    lines = []
    for name, text in details.items():
        kind, _, rest = name.partition(".")
        if kind == "gain":
            heads = 2 if text.startswith("On ") else 1  # the test set, where there are several, and the method
            coded = "".join(details.get(f"code.{rest}", "").split(": ", heads)[heads:])
            lines.append(f"- {markdown_paragraph(f'{text} On code: {coded}' if coded else text)}")
    return "\n".join(lines)


def _list_of(findings: Sequence[Finding]) -> str:
    """Findings as a list."""
    return "\n".join(f"- {markdown_paragraph(one.text)}" for one in findings)


def _say_files(findings: Sequence[Finding]) -> str:
    """What the sentences follow from; of the records the pattern alone."""
    files = dict.fromkeys(path for one in findings for path in one.files)
    shown = [path for path in files if Path(path).name != Path(layout.RECORD).name]
    records = common_path([path for path in files if path not in shown])
    return f"All numbers are from {listed([markdown_code(path) for path in [*shown, records] if path])}."


def _page(answers: str, limits: str, template: Path, figures: Sequence[str]) -> str:
    """The document as a page, with the figures in it; the first page of a report takes what lies around `FIGURES`."""
    with reading(template):
        page = with_policy(template.read_text(encoding="utf-8"))
    page = page.replace("default-src 'none'", "default-src 'none'; img-src data:", 1)
    shown = "".join(map(_figure, figures))
    body = f"<main>\n{to_html(answers)}{FIGURES}{shown}{FIGURES}{to_html(limits)}</main>"
    return page.replace("TITLE", html.escape(TITLE), 1).replace("\nBODY\n", f"\n{body}\n", 1)


def _figure(path: str) -> str:
    with reading(path):
        data = base64.b64encode(Path(path).read_bytes()).decode()
    return f'<p><img alt="{html.escape(Path(path).stem)}" src="data:image/svg+xml;base64,{data}"></p>\n'
