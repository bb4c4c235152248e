"""Texts that mean something to the formats that a study is written in. A study shows them as they are written."""

from html.parser import HTMLParser

import pytest
from codetune.base.text import printable

LABELS = [
    # mathtext and LaTeX
    "Llama $$",
    "Llama ($2/h or $3/h)",
    "$x^2$ and $\\alpha$",
    "x{y}~z^2",
    "C:\\models",
    "\\input{/etc/passwd}",
    "\\end{tabular}\\section{x}",
    "100 % #1 & a_b",
    "^^5cinput",
    "[2cm] after a line's end",
    "*starred",
    "a--b---c ''quoted'' ?`!`",
    "trailing \\",
    # Markdown
    "Llama|r=8",
    "\\|",
    "a \\\\| b |",
    "`code` and ``more``",
    "``` fence",
    "**bold** _slanted_ __strong__ ~~gone~~ ~x~",
    "a._b_.c",
    "[click](javascript:alert(1))",
    "![](https://example.org/x.png)",
    "[a][b] [^1] [x]: y",
    "<https://example.org>",
    "https://example.org and www.example.org",
    "&amp; &lt;b&gt; &#36; &copy;",
    "# no heading",
    "- no item",
    "1. no item",
    "--- no rule",
    # HTML
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- comment --> <![CDATA[x]]> <?xml?>",
    '" onmouseover="alert(1)" \'',
    "</title></td></table>",
    # CSV
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "'=1+1",
    "''=1+1",
    " =1+1",
    " [x",
    "\uff1d1+1",
    'a,"b";c',
    "-0.5",
    # YAML
    "key: value # x",
    "{a: b}, [c], !tag *x &y",
    "yes",
    # figures
    "_hidden",
    "__",
    "12",
    "nan",
    "None",
    "lowest: adapter kept",
    "x" * 300,
    "many words " * 27,
    # letters
    "\U0001f999 \u4e2d\u6587 \u65e5\u672c\u8a9e",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "e\u0301\u0327 and \u00a0 \u200b \u00ad",
    # what no label may hold, but a path or the name of a machine may
    "two\nlines",
    "a\r\n\r\n# b\n---\n```\n",
    "\ttab",
    "\x1b[31mred\x1b[0m\x07\x08",
    "\x85 \u2028 \u2029",
    "\u202egnp.exe",
    "\ufffe",
]
hostile = pytest.mark.parametrize("label", LABELS, ids=[ascii(label)[:30] for label in LABELS])


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of each kind."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.texts = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl_of_text = unknown_decl = handle_pi = handle_comment


def in_cell(label):
    """What a cell shows of a label: space at its ends is none of Markdown's."""
    return printable(label).strip()
