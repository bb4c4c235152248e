"""Reads back what a table's LaTeX shows, without LaTeX; and sets it, where there is a pdfLaTeX."""

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_reader import beside_each_other

NEEDED = ("pdflatex", "pdftotext")
SHOWN = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textasciigrave{}": "`",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\texttt{\symbol{34}}": '"',
    r"\textquoteleft{}": "\u2018",
    r"\textquotedblleft{}": "\u201c",
    r"\textquotedblright{}": "\u201d",
    r"\textendash{}": "\u2013",
    r"\textemdash{}": "\u2014",
    r"\textdegree{}": "\xb0",
    r"$\dagger$": "\u2020",
    r"$\ddagger$": "\u2021",
    r"\dots{}": "\u2026",
    r"\nobreakspace{}": "\xa0",
    r"\pounds{}": "\xa3",
    r"\S{}": "\xa7",
    r"$\pm$": "\xb1",
    r"$\times$": "\xd7",
    r"$\cdot$": "\xb7",
    r"$\leq$": "\u2264",
    r"$\geq$": "\u2265",
    r"$\approx$": "\u2248",
    r"$\rightarrow$": "\u2192",
    r"$-$": "\u2212",
    r"$\alpha$": "\u03b1",
    r"$\beta$": "\u03b2",
    r"$\gamma$": "\u03b3",
    r"$\delta$": "\u03b4",
    r"$\epsilon$": "\u03b5",
    r"$\lambda$": "\u03bb",
    r"$\mu$": "\u03bc",
    r"$\sigma$": "\u03c3",
    **{rf"\{name}{{}}": sign for name, sign in zip("ss ae AE o O oe OE l L i".split(), "ßæÆøØœŒłŁ\u0131", strict=True)},
    r"\allowbreak{}": "",
    r"{\kern0pt}": "",
    "{[}": "[",
    "{*}": "*",
    "~": " ",
    "'": "\u2019",
    **{rf"\{sign}": sign for sign in "&%$#_{}"},
}
MARKS = dict(
    zip("`'^~=u.\"rHvc", "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", strict=True)
)
TOKEN = re.compile(
    r"\\studysign\{(?P<sign>.)\}\{(?P<code>[0-9A-F]{4,6})\}"
    r"|\\(?P<mark>[`'^~=u.\"rHvc])\{(?P<letter>[A-Za-z])\}"
    rf"|(?P<shown>{'|'.join(re.escape(one) for one in sorted(SHOWN, key=len, reverse=True))})"
    r"|(?P<plain>[^\\{}$&#^_%~\"<>|`])"
)


@dataclass
class Written:
    """A table's file: the packages that it asks for, its caption, its rows by panel, and its note.

    Attributes:
        panels: The rows of each panel, head first; each row begins with the name of its group where there are groups.
    """

    packages: list[str]
    caption: str
    panels: list[list[list[str]]]
    note: str

    @property
    def table(self) -> list[dict[str, str]]:
        """The rows by the names of their columns, with the panels beside each other; that of groups has none."""
        return beside_each_other(self.panels)

    @property
    def rows(self) -> list[list[str]]:
        """Head and rows, with the panels beside each other."""
        head = dict.fromkeys(name for panel in self.panels for name in panel[0])
        return [list(head), *(list(row.values()) for row in self.table)]


def unescape(latex: str) -> str:
    """What LaTeX shows for this; fails for anything that LaTeX could obey."""
    text, place = "", 0
    while place < len(latex):
        found = TOKEN.match(latex, place)
        assert found, f"LaTeX obeys {latex[place:]!r}"
        place = found.end()
        if found["sign"]:
            assert ord(found["sign"]) == int(found["code"], 16)
            text += found["sign"]
        elif found["mark"]:
            text += unicodedata.normalize("NFC", found["letter"] + MARKS[found["mark"]])
        else:
            text += SHOWN[found["shown"]] if found["shown"] else found["plain"]
    return text


def sources(line: str) -> list[str]:
    """The cells of a row, as LaTeX."""
    line = line.removesuffix("*")
    assert line.endswith(r" \\")
    assert not re.match(r"\s*[\[*]", line)
    return re.split(r"(?<!\\) ?& ?", line.removesuffix(r" \\"))


def lines_of(latex: str) -> Iterator[list[str]]:
    """The lines of the rows of each panel, head first."""
    for panel in _panels(latex):
        yield [line for line in panel if not line.startswith(r"\multicolumn")]


def _panels(latex: str) -> Iterator[list[str]]:
    """The lines of the rows of each panel and of the names of groups, head first."""
    for found in re.finditer(r"\\begin\{(tabular|longtable)\}(.*?)\\end\{\1\}", latex, re.DOTALL):
        lines = found[2].split("\n")
        head = lines[lines.index(r"\toprule") + 1]
        start = lines.index(r"\endfoot" if found[1] == "longtable" else r"\midrule") + 1
        yield [head, *(line for line in lines[start:] if line.endswith((r" \\", r" \\*")))]


def _cells(panel: list[str]) -> list[list[str]]:
    """The rows of a panel, head first, each with the name of its group where there are groups."""
    found, group = [], []
    for line in panel:
        if line.startswith(r"\multicolumn"):
            (name,) = re.findall(r"\{\\bfseries (.*)\} \\\\\*?$", line)
            group = [unescape(name).removesuffix(" (continued)")]
        else:
            found.append([*group, *(unescape(cell) for cell in sources(line))])
    if group:
        found[0].insert(0, "")
    return found


def read_latex(path: str | Path) -> Written:
    """Reads a table's file."""
    latex = Path(path).read_text(encoding="utf-8")
    (caption,) = re.findall(r"\\caption\{(.*)\}(?:\\\\)?\n", latex)
    (note,) = re.findall(r"\{\\footnotesize\\raggedright\\noindent (.*)\\par\}\n", latex)
    panels = [_cells(panel) for panel in _panels(latex)]
    return Written(re.findall(r"% \\usepackage\{(\w+)\}", latex), unescape(caption), panels, unescape(note))


def missing() -> list[str]:
    """Programs that are not there."""
    return [name for name in NEEDED if shutil.which(name) is None] or [
        f"{name}.sty" for name in ("booktabs", "longtable") if not _found(f"{name}.sty")
    ]


def _found(name: str) -> bool:
    return subprocess.run(["kpsewhich", name], capture_output=True, check=False).returncode == 0


needs_latex = pytest.mark.skipif(
    bool(missing()),
    reason=f"no LaTeX: {', '.join(missing())} not installed (apt-get install texlive-latex-recommended poppler-utils)",
)


def set_document(folder: Path, body: str, *preamble: str) -> tuple[str, str]:
    """Sets a document of class `article` and returns the text of its PDF and LaTeX's log; fails if LaTeX complains."""
    document = ["\\documentclass{article}", *preamble, "\\begin{document}", body, "\\end{document}", ""]
    (folder / "doc.tex").write_text("\n".join(document), encoding="utf-8")
    for _ in range(2):  # longtable finds the widths of its columns in the second run
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "doc.tex"],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=120,
        )
        log = (folder / "doc.log").read_text(encoding="utf-8", errors="replace")
        assert done.returncode == 0, log[-3000:]
    text = subprocess.run(["pdftotext", "-layout", "doc.pdf", "-"], cwd=folder, capture_output=True, check=True)
    return text.stdout.decode(), log


def as_copied(text: str) -> str:
    """Text as a reader of a PDF finds it: ligatures as letters, one space between words."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def set_table(folder: Path, path: str | Path, *preamble: str) -> tuple[str, str]:
    """Sets a table in a document that has the packages which the file names."""
    latex = Path(path).read_text(encoding="utf-8")
    packages = [line.removeprefix("% ") for line in latex.splitlines() if line.startswith("% \\usepackage")]
    return set_document(folder, rf"\input{{{path}}}", *preamble, *packages)
