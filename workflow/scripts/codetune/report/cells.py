"""Tables: which columns and what order they have, and intervals in their cells."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeVar

import pandas as pd

from codetune.base.files import Row
from codetune.report.format import format_number, format_signed, is_unknown
from codetune.study.runs import NONE

T = TypeVar("T")
MORE = 4  # decimals that an interval gets at most beyond the usual ones


def table_of(rows: Iterable[Row]) -> pd.DataFrame:
    """A table of these rows, in which whole numbers stay whole beside empty cells."""
    table = pd.DataFrame(list(rows), dtype=object)
    return table.apply(_with_type)


def _with_type(column: "pd.Series[Any]") -> "pd.Series[Any]":
    known = column.dropna()
    if len(known) and all(type(value) is int for value in known):
        return column.astype("Int64")
    return column.infer_objects()


def in_paper_order(rows: Sequence[T], keys: Sequence[Hashable], order: Sequence[Hashable]) -> list[T]:
    """Rows in the paper's order; those that the paper does not have come last, the same keys side by side.

    Args:
        rows: The rows.
        keys: The key under which the paper lists each row.
        order: The paper's rows.
    """
    rank = {key: position for position, key in enumerate(dict.fromkeys([*order, *keys]))}
    ranked = sorted(zip(keys, rows, strict=True), key=lambda pair: rank[pair[0]])
    return [row for _, row in ranked]


def varying_columns(table: pd.DataFrame, *columns: str) -> dict[str, "pd.Series[Any]"]:
    """The columns that tell rows apart, for display: none where all rows agree.

    Untuned models have no training data, which does not tell them from the tuned ones: the method does.
    """
    found = {column: set(table[column].dropna()) - ({NONE} if column == "data" else set()) for column in columns}
    return {column.capitalize(): table[column] for column, values in found.items() if len(values) > 1}


def format_interval(row: "pd.Series[Any]", name: str, digits: int, sign: str = "") -> str | None:
    """The interval of one of a row's values.

    It has more decimals than usual where its ends else looked the same, or where an end looked like zero that is not:
    on which side of zero it lies is what the verdict says.

    Args:
        row: Has the ends, as `name`_low and `name`_high.
        name: Of the value.
        digits: Decimals, as a rule.
        sign: `+` for differences.
    """
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if is_unknown(low) or is_unknown(high):
        return None
    for decimals in range(digits, digits + MORE + 1):
        ends = [format_signed(end, decimals) if sign else format_number(end, decimals) for end in (low, high)]
        apart = ends[0] != ends[1] or low == high
        if apart and all(end == 0 or round(end, decimals) != 0 for end in ((low, high) if sign else ())):
            return " to ".join(map(str, ends))
    return " to ".join(str(format_signed(end, digits) if sign else format_number(end, digits)) for end in (low, high))
