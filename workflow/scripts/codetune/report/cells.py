"""Numbers as the tables show them, and which columns and what order the tables have."""

from collections.abc import Hashable, Sequence
from typing import Any, TypeVar

import pandas as pd

from codetune.study.runs import NONE

T = TypeVar("T")


def in_paper_order(rows: Sequence[T], keys: Sequence[Hashable], order: Sequence[Hashable]) -> list[T]:
    """Rows in the paper's order; those that the paper does not have come last, as they came.

    Args:
        rows: The rows.
        keys: The key under which the paper lists each row.
        order: The paper's rows.
    """
    rank = {key: position for position, key in enumerate(order)}
    ranked = sorted(zip(keys, rows, strict=True), key=lambda pair: rank.get(pair[0], len(rank)))
    return [row for _, row in ranked]


def digits_of(highest: float) -> int:
    """Decimals of scores on a scale up to `highest`."""
    return 4 if highest == 1 else 2


def varying_columns(table: pd.DataFrame, *columns: str) -> dict[str, "pd.Series[Any]"]:
    """The columns that tell rows apart, for display: none where all rows agree.

    Untuned models have no training data, which does not tell them from the tuned ones: the method does.
    """
    return {column.capitalize(): table[column] for column in columns if len(set(table[column].dropna()) - {NONE}) > 1}


def format_millions(value: float | None) -> str | None:
    """A number of parameters."""
    if value is None or pd.isna(value):
        return None
    return f"{value / 1e6:.2f} M"


def format_number(value: float | None, digits: int, deviation: float | None = None) -> str | None:
    """A score, with its standard deviation where there is one."""
    if value is None or pd.isna(value):
        return None
    return f"{value:.{digits}f}" + ("" if deviation is None or pd.isna(deviation) else f" ± {deviation:.{digits}f}")


def format_interval(row: "pd.Series[Any]", name: str, digits: int, sign: str = "") -> str | None:
    """The interval of one of a row's values."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if pd.isna(low) else f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"


def format_p(value: float | None) -> str | None:
    """A p-value."""
    if value is None or pd.isna(value):
        return None
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
