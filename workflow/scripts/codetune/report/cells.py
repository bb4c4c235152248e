"""Numbers as the tables show them, and which columns and what order the tables have."""

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeVar

import pandas as pd

from codetune.base.files import Row
from codetune.evaluation.comparisons import ALPHA
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


def digits_of(highest: float) -> int:
    """Decimals of scores on a scale up to `highest`."""
    return 4 if highest == 1 else 2


def digits_of_mean(highest: float, samples: int) -> int:
    """Decimals of a mean over few samples: those that say something, and `digits_of` at most.

    The standard error of a mean of n scores between 0 and 1 is up to 1 / (2 sqrt(n)). Shown is one decimal beyond its
    first one: two for up to 25 samples, three for up to 2,500, then four.

    Args:
        highest: The best score, which tells the scale.
        samples: n.
    """
    fewer = 2 if samples <= 25 else 1 if samples <= 2500 else 0
    return digits_of(highest) - fewer


def varying_columns(table: pd.DataFrame, *columns: str) -> dict[str, "pd.Series[Any]"]:
    """The columns that tell rows apart, for display: none where all rows agree.

    Untuned models have no training data, which does not tell them from the tuned ones: the method does.
    """
    found = {column: set(table[column].dropna()) - ({NONE} if column == "data" else set()) for column in columns}
    return {column.capitalize(): table[column] for column, values in found.items() if len(values) > 1}


def format_whole(value: float | None) -> str | None:
    """A count, with a comma between thousands."""
    return None if _unknown(value) else f"{value:,.0f}"


def format_percent(value: float | None) -> str | None:
    """A share in per cent: with two decimals, and three digits that say something where it is less than one."""
    if value is None or _unknown(value):
        return None
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.{2 - math.floor(math.log10(value))}f}"


def format_millions(value: float | None) -> str | None:
    """A number of parameters: in millions, or in thousands (K) where it is less than one."""
    if value is None or _unknown(value):
        return None
    if value < 1000:
        return f"{value:.0f}"
    return f"{value / 1e3:.2f} K" if round(value / 1e3, 2) < 1000 else f"{value / 1e6:,.2f} M"


def format_number(value: float | None, digits: int, deviation: float | None = None) -> str | None:
    """A score, with its standard deviation where there is one."""
    if _unknown(value):
        return None
    return f"{value:z.{digits}f}" + ("" if _unknown(deviation) else f" ± {deviation:.{digits}f}")


def format_signed(value: float | None, digits: int) -> str | None:
    """A difference with its sign; one that rounds to zero has none."""
    if _unknown(value):
        return None
    text = f"{value:+z,.{digits}f}"
    return text if text.strip("+0.,") else text[1:]


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
    if _unknown(low) or _unknown(high):
        return None
    for decimals in range(digits, digits + MORE + 1):
        ends = [format_signed(end, decimals) if sign else format_number(end, decimals) for end in (low, high)]
        apart = ends[0] != ends[1] or low == high
        if apart and all(end == 0 or round(end, decimals) != 0 for end in ((low, high) if sign else ())):
            return " to ".join(map(str, ends))
    return " to ".join(str(format_signed(end, digits) if sign else format_number(end, digits)) for end in (low, high))


def format_p(value: float | None) -> str | None:
    """A p-value; with more decimals where it else looked as if it were not above the level of the verdicts."""
    if value is None or _unknown(value):
        return None
    if value < 0.001:
        return "< 0.001"
    texts = [f"{value:.{digits}f}" for digits in range(3, 10)]
    return next((text for text in texts if (float(text) > ALPHA) == (value > ALPHA)), texts[-1])


def mark_verdict(text: str | None, verdict: str | None) -> str | None:
    """A score with the sign of its verdict: + for better, - for worse."""
    mark = {"better": " +", "worse": " -"}.get(str(verdict), "")
    return None if text is None else text + mark


def _unknown(value: float | None) -> bool:
    """Whether there is no number to show."""
    return value is None or bool(pd.isna(value)) or not math.isfinite(value)
