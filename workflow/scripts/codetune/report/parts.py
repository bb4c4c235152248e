"""The parts of a file that can be compared one by one: rows and cells of tables, values of JSON, lines of text."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.files import read_json, read_jsonl, reading
from codetune.report.packed import PART, unpacked

MOST_NAMES, LONGEST_NAME = 6, 60  # of a row, in a message
NUMBER = re.compile(r"[-+<]? ?[0-9.,]+(e[-+]?[0-9]+)?( ?[%MB])?")
SIDE = re.compile(":?-{2,}:?|:-|-:")  # a lone dash is an empty cell
# What tells the entries of a list in JSON apart, where they are objects.
NAMES = ("family", "system", "over", "data", "model", "method", "metric", "step", "id", "label")


@dataclass(frozen=True)
class Part:
    """A row of a table, a line of text, or an object of JSON.

    Attributes:
        place: Where it is in the file, for a message: `row 3` or `line 7`; empty for a file that is one object.
        cells: Its values by the names of their columns; a line of text has one, without a name.
    """

    place: str
    cells: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its place, and the words that it begins with."""
        words = []
        for column, value in self.cells.items():
            if column and isinstance(value, str):
                is_word = re.search(r"\w", value) and not NUMBER.fullmatch(value) and len(value) <= LONGEST_NAME
                words += [value] if is_word else []
            elif column in NAMES:
                words.append(f"{column} {value}")
        return f"{self.place} ({', '.join(words[:MOST_NAMES])})" if words and self.place else self.place


def read_parts(path: str | Path) -> list[Part]:
    """Reads the parts of a file, as the end of its name says what it is; of a file of another kind its lines.

    Raises:
        StudyError: The file is not of this kind.
    """
    return READERS.get(Path(path).suffix, _read_text)(Path(path))


def _read_csv(path: Path) -> list[Part]:
    with reading(path), path.open(encoding="utf-8", newline="") as stream:
        try:
            head, *rows = [*csv.reader(stream, strict=True)] or [[]]
        except csv.Error as error:
            raise ValueError(error) from None
    header = Part("the header", {f"column {place}": name for place, name in enumerate(head, start=1)})
    return [header, *(_row(number, _distinct(head), row) for number, row in enumerate(rows, start=1))]


def _row(number: int, names: Sequence[str], cells: Sequence[str]) -> Part:
    surplus = [f"column {place}" for place in range(len(names) + 1, len(cells) + 1)]
    return Part(f"row {number}", dict(zip([*names, *surplus], cells, strict=False)))


def _distinct(names: Sequence[str]) -> list[str]:
    """The names of columns, none twice and none empty."""
    found: list[str] = []
    for place, name in enumerate(names, start=1):
        found.append(name if name and name not in found else f"{name} (column {place})".lstrip())
    return found


def _read_table(path: Path, cells_of: Callable[[str], list[str] | None]) -> list[Part]:
    """Reads the lines of a document: rows of tables, and text between them.

    Args:
        path: The document.
        cells_of: Returns the cells of a line that is a row of a table, and None for other lines.
    """
    parts, names, number = [], None, 0
    for place, line in enumerate(_lines(path), start=1):
        cells = cells_of(line)
        if cells is None:
            parts.append(Part(f"line {place}", {"": line}))
            names = names if line.startswith("\\") and line != r"\toprule" else None  # rules of LaTeX part rows
        elif names is None:
            names, number = _distinct(cells), 0
            parts.append(Part(f"line {place}", {f"column {at}": cell for at, cell in enumerate(cells, start=1)}))
        elif all(map(SIDE.fullmatch, cells)):  # a line of Markdown that says to which sides columns are aligned
            parts.append(Part(f"line {place}", dict(zip(names, cells, strict=False))))
        else:
            number += 1
            parts.append(_row(number, names, cells))
    return parts


def _read_markdown(path: Path) -> list[Part]:
    def cells_of(line: str) -> list[str] | None:
        if not line.startswith("|"):
            return None
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        return [re.sub("-+", "--", cell) if SIDE.fullmatch(cell) else cell for cell in map(str.strip, cells)]

    return _read_table(path, cells_of)


def _read_latex(path: Path) -> list[Part]:
    def cells_of(line: str) -> list[str] | None:
        if " & " not in line:
            return None
        return [cell.strip() for cell in re.split(r" & ", line.removesuffix(r" \\"))]

    return _read_table(path, cells_of)


def _read_text(path: Path) -> list[Part]:
    return [Part(f"line {place}", {"": line}) for place, line in enumerate(_lines(path), start=1)]


def _lines(path: Path) -> list[str]:
    with reading(path):
        return path.read_bytes().decode().split("\n")


def _read_page(path: Path) -> list[Part]:
    """The lines of a page; of what is compressed in it, the bytes or texts in place of the line."""
    parts = _read_text(path)
    packed = dict(unpacked("\n".join(part.cells[""] for part in parts)))
    return [Part(part.place, {"": _readable(part.cells[""], packed)}) for part in parts]


def _readable(line: str, packed: Mapping[str, bytes]) -> str:
    found = PART.fullmatch(line)
    if not found:
        return line
    content = packed[found[1]]
    try:
        return f"{found[1]}: {content.decode()}"
    except UnicodeDecodeError:
        return f"{found[1]}: {' '.join(map(str, content))}"


def _read_json(path: Path) -> list[Part]:
    return [Part("", flatten(read_json(path)))]


def _read_json_lines(path: Path) -> list[Part]:
    return [Part(f"line {number}", flatten(row)) for number, row in enumerate(read_jsonl(path), start=1)]


def flatten(value: Any) -> dict[str, Any]:
    """The single values of what JSON holds, by where they stand: `scores.rouge_l`, `points[step 14].truncated`."""
    return dict(_single_values(value, ""))


def _single_values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _single_values(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and value:
        seen: dict[str, int] = {}
        for number, inner in enumerate(value):
            name = _name_of(inner) or str(number)
            seen[name] = seen.get(name, 0) + 1
            again = f", no. {seen[name]}" if seen[name] > 1 else ""
            yield from _single_values(inner, f"{place}[{name}{again}]")
    else:
        yield place, value


def _name_of(entry: Any) -> str:
    """What tells an entry of a list from the others, if it is an object that says so."""
    if not isinstance(entry, dict):
        return ""
    said = {name: entry[name] for name in NAMES if name in entry}
    whole = {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in said.items()}
    found = {name: value for name, value in whole.items() if isinstance(value, str | int)}
    return ", ".join(value if isinstance(value, str) else f"{name} {value}" for name, value in found.items())


def as_json(value: Any) -> str:
    """A value as JSON has it."""
    return json.dumps(value, ensure_ascii=False)


READERS: Mapping[str, Callable[[Path], list[Part]]] = {
    ".csv": _read_csv,
    ".md": _read_markdown,
    ".tex": _read_latex,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".html": _read_page,
}
