"""Markdown documents of the study as HTML pages that hold all they need, since a report shows no Markdown."""

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from codetune.files import write_text


def write_page(document: str, template: str, target: str) -> None:
    """Writes a Markdown file as an HTML page.

    Args:
        document: The Markdown, of the kind that `to_html` knows.
        template: The page without title and body.
        target: The page to write.
    """
    text = Path(document).read_text(encoding="utf-8")
    page = with_policy(Path(template).read_text(encoding="utf-8"))
    title = html.escape(text.partition("\n")[0].removeprefix("# "))
    write_text(target, page.replace("TITLE", title, 1).replace("\nBODY\n", f"\n{to_html(text)}\n", 1))


def with_policy(template: str) -> str:
    """A page that may run its own inline script and style, by their hashes, and load nothing."""
    words = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"]
    for tag in ("script", "style"):
        for text in re.findall(rf"<{tag}>(.*?)</{tag}>", template, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            words.append(f"{tag}-src 'sha256-{digest}'")
    return template.replace("CONTENT-SECURITY-POLICY", "; ".join(words), 1)


def to_html(markdown: str) -> str:
    """HTML of the Markdown that this study writes: headings, paragraphs, lists, tables, code. All else stays text."""
    parts = []
    for number, block in enumerate(markdown.split("```")):
        if number % 2:  # between fences
            parts.append(f"<pre>{html.escape(block.partition(chr(10))[2])}</pre>")
        else:
            parts += _blocks(block)
    return "\n".join(parts)


def _blocks(text: str) -> Iterator[str]:
    for kind, group in groupby(text.splitlines(), key=_kind):
        lines = list(group)
        if kind == "heading":
            for line in lines:
                marks, _, title = line.partition(" ")
                yield f"<h{len(marks)}>{_inline(title)}</h{len(marks)}>"
        elif kind == "table":
            yield _table(lines)
        elif kind == "item":
            yield "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>"
        elif kind == "text":
            yield f"<p>{_inline(' '.join(lines))}</p>"


def _kind(line: str) -> str:
    if not line.strip():
        return "gap"
    if re.match(r"#{1,6} ", line):
        return "heading"
    return {"|": "table", "- ": "item"}.get("|" if line[0] == "|" else line[:2], "text")


def _table(lines: list[str]) -> str:
    """A table with the alignment that its second line states."""
    head, rule, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    classes = [' class="right"' if cell.endswith(":") else "" for cell in rule]

    def row(cells: list[str], tag: str) -> str:
        shown = zip(cells, classes, strict=True)
        return "<tr>" + "".join(f"<{tag}{kind}>{_inline(cell)}</{tag}>" for cell, kind in shown) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return f'<div class="table"><table>\n<thead>{row(head, "th")}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
