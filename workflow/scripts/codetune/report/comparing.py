"""A file as it lies there compared with the same file made anew: what differs, in one line per cell."""

import math
import re
import tempfile
from collections.abc import Sequence
from difflib import SequenceMatcher
from filecmp import cmp
from pathlib import Path
from typing import Any

from codetune.base.files import read_json, read_jsonl, write_json, write_jsonl
from codetune.report.parts import Part, as_json, flatten, read_parts

TOLERANCE = 1e-12  # files hold every digit; sums may be taken in another order on another machine
ALL_DIGITS = 14  # characters of a number that was not rounded, at least; fewer are compared as text
FRACTION = re.compile(r"-?[0-9]+\.[0-9]+(e-?[0-9]+)?")  # as CSV has it, so that no label is one
SHOWN = 8  # most differences of one file that are told
WIDTH = 60  # characters of a text that are shown, around the first that differs
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # shown by their escapes, so that each difference is a line
NOTHING = object()


def compare_files(there: str | Path, anew: str | Path) -> list[str]:
    """Compares two versions of a file cell by cell; gives one line per difference.

    Args:
        there: The file as it lies there, which the lines name.
        anew: The same file made anew.

    Raises:
        StudyError: A file is not of the kind that its name says.
    """
    if cmp(there, anew, shallow=False):
        return []
    if Path(there).suffix == ".pdf":
        return [f"{there}: not the document that follows from the files that it is made from"]
    found, expected = read_parts(there), read_parts(anew)
    differences = [f"{there}: {line}" for line in compare_parts(found, expected)]
    if found == expected and not _is_as_written(Path(there)):
        differences = [f"{there}: its cells are right, but not how they are written: quotes, spaces or ends of lines"]
    return shorten(differences, str(there))


def _is_as_written(path: Path) -> bool:
    """Whether JSON is written as this study writes it, so that 16 and 16.0 are all that may differ; else false.

    Of a page all lines are compared, so that equal ones may differ only in how another version of zlib compresses.
    """
    if path.suffix == ".html":
        return True
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / path.name
        if path.suffix == ".json":
            write_json(again, read_json(path))
        elif path.suffix == ".jsonl":
            write_jsonl(again, read_jsonl(path))
        return again.exists() and cmp(path, again, shallow=False)


def compare_values(found: Any, expected: Any) -> list[str]:
    """Compares what two objects of JSON hold; gives one line per difference, each beginning with its place."""
    return compare_parts([Part("", flatten(found))], [Part("", flatten(expected))])


def shorten(differences: list[str], path: str) -> list[str]:
    """The first differences of a file, and how many more there are."""
    more = len(differences) - SHOWN
    return differences if more <= 1 else [*differences[:SHOWN], f"{path}: {more} more differences"]


def compare_parts(found: Sequence[Part], expected: Sequence[Part]) -> list[str]:
    """Compares rows, lines or objects; gives one line per difference."""
    there, anew = ([as_json(list(part.cells.items())) for part in parts] for parts in (found, expected))
    if there == anew:
        return []
    lines: list[str] = []
    surplus: list[Part] = []
    missing: list[Part] = []
    for kind, a, b, c, d in SequenceMatcher(None, there, anew, autojunk=False).get_opcodes():
        if kind == "replace" and b - a == d - c:
            for one, other in zip(found[a:b], expected[c:d], strict=True):
                lines += _compare_cells(one, other)
        elif kind == "replace":
            pairs, unpaired, left = _pair(found[a:b], expected[c:d])
            lines += [line for pair in pairs for line in _compare_cells(*pair)]
            surplus += unpaired
            missing += left
        elif kind != "equal":
            surplus += found[a:b]
            missing += expected[c:d]
    return lines + _moved(surplus, missing, expected)


def _pair(found: Sequence[Part], expected: Sequence[Part]) -> tuple[list[tuple[Part, Part]], list[Part], list[Part]]:
    """Pairs rows that begin with the same words; gives the pairs, and on both sides the rows without a partner."""
    left = list(expected)
    pairs, unpaired = [], []
    for one in found:
        other = next((other for other in left if _words(one) == _words(other)), None)
        if other is None:
            unpaired.append(one)
        else:
            left.remove(other)
            pairs.append((one, other))
    return pairs, unpaired, left


def _words(part: Part) -> str:
    """The name of a row without its place; of a line of text all of it, which pairs with no other line."""
    return part.name.removeprefix(part.place) or as_json(list(part.cells.values()))


def _moved(surplus: Sequence[Part], missing: Sequence[Part], expected: Sequence[Part]) -> list[str]:
    """Lines on rows that are there and should not be, or should be there and are not; or are in another place."""
    lines, left = [], list(missing)
    for one in surplus:
        other = next((other for other in left if other.cells == one.cells), None)
        if other is not None:
            left.remove(other)
            lines.append(f"{one.name} belongs to {other.place}: the order is another")
        elif any(other.cells == one.cells for other in expected):
            lines.append(f"{one.name} is there twice: {_shown(one)}")
        else:
            lines.append(f"{one.name} should not be there: {_shown(one)}")
    return lines + [f"{one.name} is missing: {_shown(one)}" for one in left]


def _shown(part: Part) -> str:
    values = [value if isinstance(value, str) else as_json(value) for value in part.cells.values()]
    return _cut(", ".join(value for value in values if value), 0) or "an empty line"


def _compare_cells(found: Part, expected: Part) -> list[str]:
    """Compares two rows by columns."""
    lines = []
    for column in dict.fromkeys([*expected.cells, *found.cells]):
        one, other = found.cells.get(column, NOTHING), expected.cells.get(column, NOTHING)
        if not _same(one, other):
            names = [found.name, column if found.place == "" or column.startswith("column ") else f"column {column}"]
            place = ", ".join(name for name in names if name.strip() not in ("", "column"))
            lines.append(f"{place}: {_difference(one, other)}")
    if not lines and list(found.cells) != list(expected.cells):
        lines.append(f"{found.name or 'its entries'}: the order is another")
    return lines


def _same(found: Any, expected: Any) -> bool:
    """Whether two values are the same, up to the last digits of a fraction; 16 and 16.0 are one number of JSON."""
    if found == expected:
        return isinstance(found, bool) == isinstance(expected, bool)
    numbers = [_fraction(value) for value in (found, expected)]
    if None in numbers:
        return False
    one, other = (float(number) for number in numbers if number is not None)
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (math.isnan(one) and math.isnan(other))


def _fraction(value: Any) -> float | None:
    """A number with all its digits, in JSON or as the text of a CSV has it; None of anything else."""
    if isinstance(value, float):
        return value
    is_written = isinstance(value, str) and len(value) >= ALL_DIGITS and FRACTION.fullmatch(value)
    return float(value) if is_written else None


def _difference(found: Any, expected: Any) -> str:
    """Both values; of long texts the part around the first character that differs."""
    texts = ["nothing" if value is NOTHING else _text_of(value) for value in (found, expected)]
    start = 0
    if max(map(len, texts)) > WIDTH:
        same = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
        start = max(0, same - WIDTH // 3)
    return f"found {_cut(texts[0], start)}, expected {_cut(texts[1], start)}"


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return CONTROL.sub(lambda sign: repr(sign[0])[1:-1], value) or "nothing"
    return as_json(value)


def _cut(text: str, start: int) -> str:
    cut = text[start : start + WIDTH]
    return ("..." if start else "") + cut + ("..." if start + WIDTH < len(text) else "")
