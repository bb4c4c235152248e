"""Tables as LaTeX that fits a page of `article` whatever they hold, and that shows each sign as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetune.base.text import printable
from codetune.report.signs import escape_latex, fragments, width_of

PORTRAIT, LANDSCAPE = 345.0, 550.0  # width of the text on a page of `article`, in points
HEIGHT = 400.0  # of a table and its note that still stand on an upright page, in points
GAP = 6.0  # between columns, in points
SIZES = {"small": 9.3, "footnotesize": 8.6, "scriptsize": 8.0}  # width of 1 em of `width_of`, in points
WIDEST_TEXT = 12.0  # width that a column of texts has at most before its cells go over several lines, in em
ROW_LINES = 16  # that a row may have in a table of one panel
HEAD_LINES = 4  # over which the name of a column goes, as a rule
LINES = {"small": 11.0, "footnotesize": 9.5, "scriptsize": 8.0}  # distance of lines, in points

Rows = Sequence[Sequence[str]]  # of texts that are not escaped; the first is the head


@dataclass(frozen=True)
class Layout:
    """How a table lies on the page.

    Attributes:
        size: Command of the font's size.
        width: Of the text on the page, in points.
        panels: Parts of the table that stand below each other: for each of its columns the place and a width in points.
        single: Whether each cell stands in one line, so that no column needs a width.
    """

    size: str
    width: float
    panels: list[dict[int, float]]
    single: bool = False

    @property
    def lengths(self) -> str:
        """Commands that set the letters, the gaps between columns, and some space above rows of several lines."""
        if self.single:
            return rf"\{self.size}\setlength{{\tabcolsep}}{{{GAP / 2:g}pt}}"
        gap = f"{GAP / 2 / self.width:.4f}"
        return rf"\{self.size}\setlength{{\tabcolsep}}{{{gap}\linewidth}}\setlength{{\extrarowheight}}{{1pt}}"

    @property
    def turned(self) -> bool:
        """Whether it needs a page in landscape."""
        return self.width > PORTRAIT

    def columns(self, panel: dict[int, float], left: Sequence[bool]) -> str:
        """The columns' specification; every width is a share of the line."""
        if self.single:
            return "@{}" + "".join("l" if left[place] else "r" for place in panel) + "@{}"
        sides = ["raggedright" if left[place] else "raggedleft" for place in panel]
        shares = [width / self.width for width in panel.values()]
        return (
            "@{}"
            + "".join(
                "\n  " + rf">{{\{side}\arraybackslash}}p{{{int(1000 * share) / 1000:.3f}\linewidth}}"
                for side, share in zip(sides, shares, strict=True)
            )
            + "@{}"
        )


def latex_table(head: Sequence[str], body: Rows, left: Sequence[bool], title: str, note: str) -> str:
    """Returns a table as LaTeX, to be read with `\\input`.

    It is a float where it fits on an upright page, and else goes over as many pages as it needs. What stands first says
    which packages a document has to load.

    Args:
        head: Names of the columns.
        body: The cells of each row.
        left: For each column whether it holds texts, at the left; else numbers, at the right.
        title: For the caption.
        note: To stand below the table.
    """
    layout = choose_layout([head, *body], left, note)
    upright = not layout.turned and len(layout.panels) == 1
    floats = upright and _height(layout, [head, *body], note) <= HEIGHT
    needed = {"array": not layout.single, "booktabs": True, "longtable": not floats, "pdflscape": layout.turned}
    note = f"{{\\footnotesize\\raggedright\\noindent {escape_latex(note)}\\par}}"
    inner = (_float if floats else _long)(layout, head, body, left, escape_latex(title), note)
    if layout.turned:
        inner = [r"\begin{landscape}", *inner, r"\end{landscape}"]
    return "\n".join(
        [
            "% The document that reads this needs LaTeX of 2020 or later and, before \\begin{document}:",
            *(f"% \\usepackage{{{name}}}" for name, is_needed in needed.items() if is_needed),
            *COMMANDS,
            *inner,
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


def _float(layout: Layout, head: Sequence[str], body: Rows, left: Sequence[bool], title: str, note: str) -> list[str]:
    """Lines of a table that LaTeX places."""
    (panel,) = layout.panels
    return [
        r"\begin{table}",
        rf"\caption{{{title}}}",
        r"\centering",
        layout.lengths,
        rf"\begin{{tabular}}{{{layout.columns(panel, left)}}}",
        r"\toprule",
        _row(panel, head),
        r"\midrule",
        *(_row(panel, row) for row in body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\medskip",
        note,
        r"\end{table}",
    ]


def _long(layout: Layout, head: Sequence[str], body: Rows, left: Sequence[bool], title: str, note: str) -> list[str]:
    """Lines of a table that goes over pages, each with the head; its panels follow each other."""
    lines = [
        layout.lengths,
        r"\setlength{\LTcapwidth}{\linewidth}",
    ]
    for number, panel in enumerate(layout.panels):
        names = [r"\toprule", _row(panel, head), r"\midrule"]
        lines += [
            *([] if number == 0 else [r"\addtocounter{table}{-1}"]),  # a panel is no table of its own
            rf"\begin{{longtable}}{{{layout.columns(panel, left)}}}",
            *([rf"\caption{{{title}}}\\"] if number == 0 else []),
            *(*names, r"\endfirsthead", *names, r"\endhead"),
            *(r"\bottomrule", r"\endfoot"),
            *(_row(panel, row) for row in body),
            r"\end{longtable}",
        ]
    return [*lines, note]


def _row(panel: dict[int, float], cells: Sequence[str]) -> str:
    return " & ".join(escape_latex(cells[place]) for place in panel) + r" \\"


def choose_layout(rows: Rows, left: Sequence[bool], note: str) -> Layout:
    """The layout with the largest letters in which a table fits.

    First with every cell in one line, then without a number that goes over two lines, upright and then in landscape;
    then with as many lines as it takes; and if even words are too wide for their columns, or a row were as high as a
    page, in panels that all begin with the same columns.

    Args:
        rows: Head and body.
        left: For each column whether it holds texts.
        note: What stands below: smaller letters are taken where all of it then stands on one page.
    """
    columns = [_column(cells, text) for cells, text in zip(zip(*rows, strict=True), left, strict=True)]
    whole = [max(width_of(printable(cell)) for cell in cells) for cells in zip(*rows, strict=True)]
    for size in ("small", "footnotesize"):
        if sum(whole) <= _room(PORTRAIT, size, len(columns)):
            return Layout(size, PORTRAIT, [dict(enumerate(one * SIZES[size] for one in whole))], single=True)
    wanted, least = [column.wanted for column in columns], [column.least for column in columns]
    tries = [(PORTRAIT, size, wanted) for size in ("small", "footnotesize")]
    tries += [(LANDSCAPE, size, wanted) for size in SIZES]
    tries += [(LANDSCAPE, size, least) for size in ("footnotesize", "scriptsize")]
    fitting = [
        Layout(size, width, [_share_out(dict(enumerate(columns)), widths, width, size)])
        for width, size, widths in tries
        if sum(widths) <= _room(width, size, len(columns))
    ]
    fitting = [layout for layout in fitting if max(_lines_of(layout, rows)) <= ROW_LINES]
    if not fitting:
        return _in_panels(columns, left)
    pages = [layout for layout in fitting if _height(layout, rows, note) <= (PORTRAIT if layout.turned else HEIGHT)]
    return pages[0] if pages and pages[0].turned == fitting[0].turned else fitting[0]


@dataclass(frozen=True)
class _Column:
    """What a column needs, in em.

    Attributes:
        least: Width of the longest part that cannot be divided.
        wanted: Width in which numbers stand in one line, and texts in few.
        most: Width in which every cell of the body stands in one line, and the head in few.
        weight: Its share of a width that does not suffice for all: the sum of squares of all cells' numbers of lines is
            smallest where widths are as the third root of the sum of squares of the cells' widths.
    """

    least: float
    wanted: float
    most: float
    weight: float


def _column(cells: Sequence[str], text: bool) -> _Column:
    least = max(width_of(part) for cell in cells for part in fragments(printable(cell)))
    widths = [width_of(printable(cell)) for cell in cells[1:]]
    most = max([least, width_of(printable(cells[0])) / HEAD_LINES, *widths])
    wanted = max(least, min(most, WIDEST_TEXT)) if text else most
    return _Column(least, wanted, most, sum(width**2 for width in widths) ** (1 / 3))


def _in_panels(columns: Sequence[_Column], left: Sequence[bool]) -> Layout:
    """As many columns per panel as fit beside the leading ones, the texts, which each panel repeats."""
    size = "footnotesize"
    count = left.index(False) if False in left else 1
    leading = list(range(count))
    panels = [leading]
    for place in range(count, len(columns)):
        tried = [*panels[-1], place]
        if panels[-1] != leading and sum(columns[one].wanted for one in tried) > _room(LANDSCAPE, size, len(tried)):
            panels.append([*leading, place])
        else:
            panels[-1] = tried
    shared = []
    for panel in panels:
        own = {place: columns[place] for place in panel}
        wanted = [column.wanted for column in own.values()]
        least = [column.least for column in own.values()]
        fits = sum(wanted) <= _room(LANDSCAPE, size, len(panel))
        shared.append(_share_out(own, wanted if fits else least, LANDSCAPE, size))
    return Layout(size, LANDSCAPE, shared)


def _room(width: float, size: str, count: int) -> float:
    """Width that is left for letters, in em."""
    return (width - GAP * (count - 1)) / SIZES[size]


def _share_out(columns: dict[int, _Column], least: Sequence[float], width: float, size: str) -> dict[int, float]:
    """Widths in points, by place: at least these, at most what a column can use, and in between by weight."""
    room = _room(width, size, len(columns))
    bounds = list(zip(least, columns.values(), strict=True))

    def at(factor: float) -> list[float]:
        return [max(needed, min(column.most, factor * column.weight)) for needed, column in bounds]

    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle)) <= room else (low, middle)
    return {place: one * SIZES[size] for place, one in zip(columns, at(low), strict=True)}


def _height(layout: Layout, rows: Rows, note: str) -> float:
    """About how high a table of one panel is with its caption and note, in points."""
    note_lines = 1 + width_of(note) * SIZES["footnotesize"] / layout.width
    rules_and_caption = 50
    table = sum(lines * LINES[layout.size] + 1 for lines in _lines_of(layout, rows))
    return table + note_lines * LINES["footnotesize"] + rules_and_caption


def _lines_of(layout: Layout, rows: Rows) -> list[int]:
    """About how many lines each row of a table of one panel has."""
    (panel,), size = layout.panels, SIZES[layout.size]
    shares = {place: size / max(width, 1.0) for place, width in panel.items()}
    filled = [[width_of(printable(row[place])) * share for place, share in shares.items()] for row in rows]
    return [max(1 if one <= 1.001 else 1 + int(1.2 * one) for one in row) for row in filled]
