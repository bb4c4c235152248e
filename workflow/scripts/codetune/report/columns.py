"""How wide the columns of a table in print are, and into which panels they go so that none is wider than a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codetune.base.text import printable
from codetune.report.signs import fragments, width_of

TEXT_WIDTH = 345.0  # of the text on a page of `article`, in points
GAP, WIDER_GAP = 6.0, 10.0  # between columns, in points; and before texts that follow numbers
SIZES = {"small": 9.3, "footnotesize": 8.6}  # width of 1 em of `width_of`, in points; no letters are smaller
LINES = {"small": 11.0, "footnotesize": 9.5}  # distance of lines, in points
WIDEST_TEXT = 12.0  # width that a column of texts has at most before its cells go over several lines, in em
WIDEST_NAMES = 0.6  # share of the width that the columns with names of rows take at most
FEW = 30  # rows, with the head, of a table that may have larger letters
ROW_LINES = 16  # that a row may have where there is another way
MOVED = 2  # columns that do not fit into a panel and go into the next
WIDTHS = (
    "most",
    "wanted",
    "needed",
)  # of a `_Column`, that a column has at least, in the order in which they are tried
HEAD_LINES = 3  # over which the name of a column goes, as a rule

Rows = Sequence[Sequence[str]]  # of texts that are not escaped; the first is the head


@dataclass(frozen=True)
class Panel:
    """Columns of a table that stand beside each other.

    Attributes:
        title: What stands above them; empty for the first ones.
        widths: Of each column, in points, by its place in the table.
        gaps: Before each column, in points.
        single: Whether each cell stands in one line, so that no column needs a width.
    """

    title: str
    widths: dict[int, float]
    gaps: dict[int, float]
    single: bool

    @property
    def width(self) -> float:
        """Of all columns with what is between them, in points."""
        return sum(self.widths.values()) + sum(self.gaps.values())


@dataclass(frozen=True)
class Layout:
    """How a table lies on the page.

    Attributes:
        size: Command of the font's size.
        panels: Parts of the table, which stand below each other.
    """

    size: str
    panels: list[Panel]

    @property
    def single(self) -> bool:
        """Whether each cell of the table stands in one line."""
        return all(panel.single for panel in self.panels)


@dataclass(frozen=True)
class _Column:
    """What a column needs, in em.

    Attributes:
        whole: Width in which the head and every cell stand in one line.
        most: Width in which every cell of the body stands in one line, and the head in few.
        wanted: Width in which numbers stand in one line, and texts in few.
        needed: Width in which numbers stand in one line, and of texts the longest part that cannot be divided.
        least: Width of the longest part that cannot be divided.
        weight: Its share of a width that does not suffice for all: the sum of squares of all cells' numbers of lines is
            smallest where widths are as the third root of the sum of squares of the cells' widths.
    """

    whole: float
    most: float
    wanted: float
    needed: float
    least: float
    weight: float


def choose_layout(rows: Rows, left: Sequence[bool], names: int, panels: Mapping[str, Sequence[int]]) -> Layout:
    """The layout with the largest letters in which each panel is as wide as a page at most.

    What is too wide even in the smallest letters goes into the next panel, or into one more.

    Args:
        rows: Head and body.
        left: For each column whether it holds texts.
        names: How many of the first columns name the rows; every panel begins with them.
        panels: The places of all other columns, by the title of their panel.
    """
    columns = [_column(cells, text) for cells, text in zip(zip(*rows, strict=True), left, strict=True)]
    sizes = [size for size in SIZES if size != "small" or len(rows) <= FEW]
    sheets = [_Sheet(rows, left, columns, size) for size in sizes]
    for width in WIDTHS:
        for sheet in sheets:
            found = [sheet.fit(title, [*range(names), *own], width) for title, own in panels.items()]
            if all(found):
                return Layout(sheet.size, [one for one in found if one])
    most, names = names, sheet.names_that_fit(names)
    divided: list[Panel] = []
    waiting: list[int] = []
    for title, own in panels.items():
        first = range(names, most) if not divided else ()  # names that are too many stand in the first panel alone
        *whole, rest = sheet.divide(names, [*waiting, *first, *own])
        waiting = rest if whole and title != list(panels)[-1] and len(rest) <= MOVED else []
        divided += [sheet.panel(title, [*range(names), *places]) for places in (*whole, *([] if waiting else [rest]))]
    return Layout(sheet.size, divided)


def _column(cells: Sequence[str], text: bool) -> _Column:
    least = max(width_of(part) for cell in cells for part in fragments(printable(cell)))
    widths = [width_of(printable(cell)) for cell in cells[1:]]
    head = width_of(printable(cells[0]))
    most = max([least, head / HEAD_LINES, *widths])
    wanted = max(least, min(most, WIDEST_TEXT)) if text else most
    needed = least if text else most
    weight = sum(width**2 for width in widths) ** (1 / 3)
    return _Column(max([head, *widths]), most, wanted, needed, least, weight)


@dataclass(frozen=True)
class _Sheet:
    """A table in letters of one size.

    Attributes:
        rows: Head and body.
        left: For each column whether it holds texts.
        columns: What each column needs.
        size: Of the letters.
    """

    rows: Rows
    left: Sequence[bool]
    columns: Sequence[_Column]
    size: str

    def fit(self, title: str, places: Sequence[int], width: str) -> Panel | None:
        """These columns beside each other; None where they do not fit on the page, or only in rows of many lines.

        Args:
            title: Of the panel.
            places: Of the columns.
            width: Which of `WIDTHS` each column has at least.
        """
        own = {place: self.columns[place] for place in places}
        if sum(column.whole for column in own.values()) <= self._room(places):
            widths = {place: column.whole * SIZES[self.size] for place, column in own.items()}
            return Panel(title, widths, self._gaps(places), single=True)
        least: list[float] = [getattr(column, width) for column in own.values()]
        panel = Panel(title, self._share_out(own, least), self._gaps(places), single=False)
        fits = sum(least) <= self._room(places) and max(lines_of(panel, self.size, self.rows)) <= ROW_LINES
        return panel if fits else None

    def panel(self, title: str, places: Sequence[int]) -> Panel:
        """These columns beside each other, in as many lines as it takes."""
        found = (self.fit(title, places, width) for width in WIDTHS)
        widths = self._share_out(
            {place: self.columns[place] for place in places}, [self.columns[place].least for place in places]
        )
        return next(filter(None, found), Panel(title, widths, self._gaps(places), single=False))

    def divide(self, names: int, places: Sequence[int]) -> list[list[int]]:
        """The columns in parts, with as many in each as fit beside the names."""
        parts: list[list[int]] = [[]]
        for place in places:
            if parts[-1] and self.fit("", [*range(names), *parts[-1], place], WIDTHS[-1]) is None:
                parts.append([])
            parts[-1].append(place)
        return parts

    def names_that_fit(self, names: int) -> int:
        """How many of the columns that name a row can stand in each panel."""
        while names > 1 and sum(column.least for column in self.columns[:names]) > WIDEST_NAMES * self._room([0]):
            names -= 1
        return names

    def _gaps(self, places: Sequence[int]) -> dict[int, float]:
        """What is before each column, in points: more where texts at the left follow numbers at the right."""
        pairs = list(zip([None, *places], places, strict=False))
        return {
            place: 0.0 if before is None else WIDER_GAP if self.left[place] and not self.left[before] else GAP
            for before, place in pairs
        }

    def _room(self, places: Sequence[int]) -> float:
        """Width that is left for letters, in em."""
        return (TEXT_WIDTH - sum(self._gaps(places).values())) / SIZES[self.size]

    def _share_out(self, columns: dict[int, _Column], least: Sequence[float]) -> dict[int, float]:
        """Widths in points, by place: at least these, at most what a column can use, and in between by weight."""
        room = self._room(list(columns))
        bounds = list(zip(least, columns.values(), strict=True))

        def at(factor: float) -> list[float]:
            return [max(needed, min(column.most, factor * column.weight)) for needed, column in bounds]

        low, high = 0.0, 1e6
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if sum(at(middle)) <= room else (low, middle)
        return {place: one * SIZES[self.size] for place, one in zip(columns, at(low), strict=True)}


def lines_of(panel: Panel, size: str, rows: Rows) -> list[int]:
    """About how many lines each row has in a panel."""
    if panel.single:
        return [1] * len(rows)
    shares = {place: SIZES[size] / max(width, 1.0) for place, width in panel.widths.items()}
    filled = [[width_of(printable(row[place])) * share for place, share in shares.items()] for row in rows]
    return [max(1 if one <= 1.001 else 1 + int(1.2 * one) for one in row) for row in filled]
