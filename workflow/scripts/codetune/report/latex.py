"""Tables as LaTeX that fits a page of `article` whatever they hold, and that shows each sign as it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from codetune.report.columns import GAP, LINES, SIZES, TEXT_WIDTH, Layout, Panel, Rows, choose_layout, lines_of
from codetune.report.signs import escape_latex, width_of

HEIGHT = 400.0  # of a table and its note that LaTeX still places on a page with text, in points
GROUP_LINES = 14  # that stay together on a page; a group of more is divided
EMPTY = "-"  # what readers get for a cell without a value
BOLD = 1.25  # width of bold letters, of the usual ones


@dataclass(frozen=True)
class Printed:
    """A table in print.

    Attributes:
        head: Names of the columns.
        body: The cells of each row.
        left: For each column whether it holds texts, at the left; else numbers, at the right.
        title: For the caption.
        note: To stand below the table.
        group: How many of the first columns name a group of rows: they are a line above the group.
        names: How many of the first columns name a row, with those of the group.
        panels: The places of the other columns that are printed, by the title of their panel; the first has none.
    """

    head: Sequence[str]
    body: Rows
    left: Sequence[bool]
    title: str
    note: str
    group: int = 0
    names: int = 1
    panels: dict[str, list[int]] = field(default_factory=dict)


def latex_table(table: Printed) -> str:
    """Returns a table as LaTeX, to be read with `\\input`.

    It is a float where it has one panel and leaves room on a page, and else goes over as many pages as it needs. It is
    never wider than the text of `article`, and its letters are never smaller than notes. What stands first says which
    packages a document has to load.
    """
    inner = [cells[table.group :] for cells in (table.head, *table.body)]
    every = list(range(table.names - table.group, len(inner[0])))
    panels = {title: [place - table.group for place in places] for title, places in table.panels.items()} or {"": every}
    layout = choose_layout(inner, table.left[table.group :], table.names - table.group, panels)
    blocks = [_blocks(table, layout, panel) for panel in layout.panels]
    floats = len(layout.panels) == 1 and _height(layout, inner, blocks[0], table.note) <= HEIGHT
    note = f"{{\\footnotesize\\raggedright\\noindent {escape_latex(table.note)}\\par}}"
    lines = (_float if floats else _long)(table, layout, inner[0], blocks)
    needed = {"array": any(r"\arraybackslash" in line for line in lines), "booktabs": True, "longtable": not floats}
    return "\n".join(
        [
            "% The document that reads this needs LaTeX of 2020 or later and, before \\begin{document}:",
            *(f"% \\usepackage{{{name}}}" for name, is_needed in needed.items() if is_needed),
            *COMMANDS,
            *(lines[:-1] if floats else lines),
            note,
            *(lines[-1:] if floats else []),
            "}",
            "",
        ]
    )


# Signs that OT1, LaTeX's default encoding, draws as lines or accents, so that nobody could copy them; and no word is
# divided, so that a signature is copied as it is. `\studysign` is for signs that not every font has, and
# pdfLaTeX none.
COMMANDS = [
    r'\providecommand{\studysign}[2]{\ifdefined\Umathcode\iffontchar\font\string"#2 #1\else U+#2\fi\else U+#2\fi}',
    r"{\hyphenpenalty=10000 \exhyphenpenalty=10000 \sloppy",
    r"\protected\def\_{\texttt{\symbol{95}}}",
    r"\protected\def\textasciitilde{\texttt{\symbol{126}}}",
    r"\protected\def\textasciicircum{\texttt{\symbol{94}}}",
]


@dataclass(frozen=True)
class _Block:
    """Rows that stay together, below the name of their group.

    Attributes:
        name: Of the group; empty where there are no groups.
        rows: Cells without those that name the group.
    """

    name: str
    rows: Rows


def _blocks(table: Printed, layout: Layout, panel: Panel) -> list[_Block]:
    """The groups in a panel; those that are too high to stay together in parts."""
    own = [place + table.group for place in panel.widths if place >= table.names - table.group]
    body = filled(table.body, own, [place for places in table.panels.values() for place in places] or own)
    if not table.group:
        return [_Block("", body)]
    found = []
    for key, rows in groupby(body, key=lambda row: tuple(row[: table.group])):
        name = ", ".join(key)
        parts = list(_divide([row[table.group :] for row in rows], panel, layout.size))
        found += [_Block(name if number == 0 else f"{name} (continued)", part) for number, part in enumerate(parts)]
    return found


def filled(rows: Rows, places: Sequence[int], every: Sequence[int]) -> Rows:
    """The rows that have a value in one of these columns, or in none at all; all rows where that is none.

    Args:
        rows: Cells of the body.
        places: Of the columns of a panel.
        every: Places of the columns of all panels.
    """

    def has_value(row: Sequence[str], places: Sequence[int]) -> bool:
        return any(row[place] != EMPTY for place in places)

    return [row for row in rows if has_value(row, places) or not has_value(row, every)] or rows


def _divide(rows: Rows, panel: Panel, size: str) -> Iterator[Rows]:
    """Rows in parts of so many lines that a part fits on what is left of a page."""
    part: list[Sequence[str]] = []
    used = 0
    for row, height in zip(rows, lines_of(panel, size, rows), strict=True):
        if part and used + height > GROUP_LINES:
            yield part
            part, used = [], 0
        part.append(row)
        used += height
    yield part


def _float(table: Printed, layout: Layout, head: Sequence[str], blocks: Sequence[Sequence[_Block]]) -> list[str]:
    """Lines of a table that LaTeX places; the note belongs before the last."""
    (panel,) = layout.panels
    return [
        r"\begin{table}",
        rf"\caption{{{escape_latex(table.title)}}}",
        r"\centering",
        _lengths(layout),
        rf"\begin{{tabular}}{{{_columns(panel, table.left[table.group :])}}}",
        r"\toprule",
        _row(panel, head),
        r"\midrule",
        *_body(panel, layout.size, blocks[0], together=False),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\medskip",
        r"\end{table}",
    ]


def _long(table: Printed, layout: Layout, head: Sequence[str], blocks: Sequence[Sequence[_Block]]) -> list[str]:
    """Lines of a table that goes over pages, each with the head; its panels follow each other."""
    lines = [
        _lengths(layout),
        r"\setlength{\LTcapwidth}{\linewidth}",
    ]
    for number, panel in enumerate(layout.panels):
        again = number > 0 and layout.panels[number - 1].title == panel.title
        title = f"{panel.title or table.title}, continued" if again else panel.title
        above = [_spanning(panel, layout.size, title)] if title else []
        names = [*above, r"\toprule", _row(panel, head), r"\midrule"]
        lines += [
            *([] if number == 0 else [r"\addtocounter{table}{-1}"]),  # a panel is no table of its own
            rf"\begin{{longtable}}{{{_columns(panel, table.left[table.group :])}}}",
            *([rf"\caption{{{escape_latex(table.title)}}}\\"] if number == 0 else []),
            *(*names, r"\endfirsthead", *names, r"\endhead"),
            *(r"\bottomrule", r"\endfoot"),
            *_body(panel, layout.size, blocks[number], together=True),
            r"\end{longtable}",
        ]
    return lines


def _lengths(layout: Layout) -> str:
    """Commands that set the letters, the gaps between columns, and some space above rows of several lines."""
    if layout.single:
        return rf"\{layout.size}\setlength{{\tabcolsep}}{{{GAP / 2:g}pt}}"
    gap = f"{GAP / 2 / TEXT_WIDTH:.4f}"
    return rf"\{layout.size}\setlength{{\tabcolsep}}{{{gap}\linewidth}}\setlength{{\extrarowheight}}{{1pt}}"


def _columns(panel: Panel, left: Sequence[bool]) -> str:
    """The columns' specification; every width is a share of the line."""
    columns: list[str] = []
    for place, width in panel.widths.items():
        gap = "@{}" if not columns else rf"@{{\hspace{{{panel.gaps[place]:g}pt}}}}" if panel.gaps[place] > GAP else ""
        side = "raggedright" if left[place] else "raggedleft"
        line = "l" if left[place] else "r"
        columns.append(
            f"{gap}{line}" if panel.single else f"\n  {gap}>{{\\{side}\\arraybackslash}}p{{{_share(width)}\\linewidth}}"
        )
    return "".join([*columns, "@{}"])


def _share(width: float) -> str:
    return f"{int(1000 * width / TEXT_WIDTH) / 1000:.3f}"


def _body(panel: Panel, size: str, blocks: Sequence[_Block], together: bool) -> Iterator[str]:
    """The rows; groups have a rule between them, and where they are to stay together, no page ends within one."""
    for number, block in enumerate(blocks):
        end = r" \\*" if together and block.name else r" \\"
        if block.name:
            yield from [r"\midrule"] * (number > 0)
            yield _spanning(panel, size, block.name) + ("*" if together else "")
        for place, row in enumerate(block.rows):
            yield _row(panel, row, end if place + 1 < len(block.rows) else r" \\")


def _row(panel: Panel, cells: Sequence[str], end: str = r" \\") -> str:
    return " & ".join(escape_latex(cells[place]) for place in panel.widths) + end


def _spanning(panel: Panel, size: str, text: str) -> str:
    """A line over all columns of a panel, in bold; in several lines where it is longer than these are wide."""
    fits = width_of(text) * BOLD * SIZES[size] <= panel.width
    column = "l" if fits else rf">{{\raggedright\arraybackslash}}p{{{_share(panel.width)}\linewidth}}"
    return rf"\multicolumn{{{len(panel.widths)}}}{{@{{}}{column}@{{}}}}{{\bfseries {escape_latex(text)}}} \\"


def _height(layout: Layout, rows: Rows, blocks: Sequence[_Block], note: str) -> float:
    """About how high a table of one panel is with its caption and note, in points."""
    note_lines = 1 + width_of(note) * SIZES["footnotesize"] / TEXT_WIDTH
    rules_and_caption = 50
    names = sum(LINES[layout.size] + 5 for block in blocks if block.name)
    table = sum(lines * LINES[layout.size] + 1 for lines in lines_of(layout.panels[0], layout.size, rows))
    return table + names + note_lines * LINES["footnotesize"] + rules_and_caption
