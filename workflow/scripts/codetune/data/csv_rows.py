"""Records in CSV: a line of names, and a row of cells per record."""

import csv
import io
import sys
from collections import Counter

from codetune.base.errors import StudyError

DELIMITERS = {",": "commas", "\t": "tabs"}


def parse_csv(path: object, text: str, delimiter: str) -> list[dict[str, str]]:
    """Parses CSV with a header; every cell is text. Columns without a name, as of row numbers, are left out.

    Args:
        path: The file, for messages.
        text: Its content, with its line ends as they are.
        delimiter: What stands between cells: a comma or a tab.

    Raises:
        StudyError: The header names a column twice or none, a row has more or fewer cells than it, or a quote is open.
    """
    csv.field_size_limit(sys.maxsize)  # a cell may hold a program of any length
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    rows = []
    try:
        for cells in reader:
            if not cells:  # an empty line
                continue
            if header is None:
                header = _check_header(path, cells, delimiter)
                continue
            if len(cells) != len(header):
                raise StudyError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells in a row, but the header has {len(header)}. "
                    f"Put cells that hold {DELIMITERS[delimiter]}, quotes or line ends in double quotes."
                )
            rows.append({name: cell for name, cell in zip(header, cells, strict=True) if name})
    except csv.Error as error:
        raise StudyError(
            f"{path}, line {reader.line_num}: not CSV ({error}). Put cells that hold {DELIMITERS[delimiter]}, quotes "
            "or line ends in double quotes, and write a quote within them twice."
        ) from None
    return rows


def _check_header(path: object, names: list[str], delimiter: str) -> list[str]:
    """Returns the names of the columns."""
    names = [name.strip() for name in names]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise StudyError(f"{path}: the header names the column '{twice[0]}' twice. Rename one of the two.")
    if not any(names):
        raise StudyError(f"{path}: the first line names no column. A CSV file begins with the names of its columns.")
    other = next((sign for sign in (";", "\t", ",", "|") if sign != delimiter and sign in names[0]), None)
    if len(names) == 1 and other is not None:
        ends = "save it as .tsv" if other == "\t" else f"separate them by {DELIMITERS[delimiter]}"
        raise StudyError(f"{path}: its columns are separated by {other!r}; {ends}.")
    return names
