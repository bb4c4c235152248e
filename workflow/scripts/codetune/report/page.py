"""Markdown documents of the study as HTML pages that hold all they need, since a report shows no Markdown."""

import base64
import hashlib
import html
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from codetune.base.files import reading, write_text
from codetune.report.stamp import stamped_page

# A number with what it makes no sense without: its unit, its deviation, or the other end of its interval.
NUMBER = r"[+-]?\d[\d.,]*"
WHOLE = re.compile(rf"([<>] {NUMBER}|{NUMBER}(?: (?:%|[KMB]\b)|(?: (?:to|\u00b1|/) {NUMBER})+(?: %)?))")


def write_page(document: str, template: str, target: str) -> None:
    """Writes a Markdown file as an HTML page.

    Args:
        document: The Markdown, of the kind that `to_html` knows.
        template: The page without title and body.
        target: The page to write.
    """
    with reading(document):
        text = Path(document).read_text(encoding="utf-8")
    page = with_policy(Path(template).read_text(encoding="utf-8"))
    title = html.escape(_first_heading(text))
    write_text(target, page.replace("TITLE", title, 1).replace("\nBODY\n", f"\n{to_html(text)}\n", 1))


def with_policy(template: str) -> str:
    """A page that may run its own inline script and style, by their hashes, and load nothing, with the stamp if any."""
    template = stamped_page(template)
    words = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'"]
    for tag in ("script", "style"):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", template, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        if digests:  # in one directive: browsers read only the first of a name
            words.append(" ".join([f"{tag}-src", *(f"'sha256-{digest}'" for digest in digests)]))
    return template.replace("CONTENT-SECURITY-POLICY", "; ".join(words), 1)


def _parser() -> MarkdownIt:
    return MarkdownIt("zero").enable(["heading", "list", "table", "fence", "backticks", "escape"])


def _first_heading(markdown: str) -> str:
    """The text of the line that a document begins with; nothing of an empty one."""
    lines = [token for token in _parser().parse(markdown) if token.type == "inline"]
    return "".join(part.content for part in lines[0].children or []) if lines else ""


def to_html(markdown: str) -> str:
    """HTML of the Markdown that this study writes: headings, paragraphs, lists, tables, code. All else stays text.

    In a table, rows whose first cell is the same as above it are a group: what stands there again is marked, and so is
    the first row of each group. A number stays in one line with what belongs to it.
    """
    parser = _parser()
    parser.add_render_rule("text", _text)
    tokens = parser.parse(markdown)
    for token in tokens:
        if "right" in str(token.attrs.pop("style", "")):  # a page's policy forbids styles of single elements
            token.attrSet("class", "right")
    _mark_groups(tokens)
    html_of = str(parser.renderer.render(tokens, parser.options, {}))
    return html_of.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")


def _text(_renderer: Any, tokens: Sequence[Token], place: int, *_others: Any) -> str:
    parts = map(html.escape, WHOLE.split(tokens[place].content))
    return "".join(f'<span class="whole">{part}</span>' if odd % 2 else part for odd, part in enumerate(parts))


def _mark_groups(tokens: Sequence[Token]) -> None:
    """Marks rows that begin with what the row above begins with, and those that begin with something else."""
    above: str | None = None
    row: Token | None = None
    for token, content in itertools.pairwise(tokens):
        if token.type == "tbody_open":
            above = None
        elif token.type == "tr_open":
            row = token
        elif token.type == "td_open" and row is not None:
            if above is not None:
                marked, mark = (token, "again") if content.content == above else (row, "first")
                marked.attrJoin("class", mark)
            above, row = content.content, None
