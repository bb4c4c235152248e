"""Numbers as the tables show them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from codetune.base.files import Row
from codetune.evaluation.comparisons import Key


def group_by_system(runs: list[Row], paths: Sequence[str]) -> dict[Key, list[str]]:
    """The paths of the seeds of each (dataset, model, method)."""
    groups: dict[Key, list[str]] = {}
    for run, path in zip(runs, paths, strict=True):
        groups.setdefault((run["dataset"], run["model"], run["method"]), []).append(path)
    return groups


def in_paper_order(rows: list[Row], order: Sequence[tuple[str, ...]], keys: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    """Rows in the paper's order; those the paper does not have come last, as they came."""
    rank = {key: position for position, key in enumerate(order)}
    ranked = sorted(zip(keys, rows, strict=True), key=lambda pair: rank.get(pair[0], len(rank)))
    return pd.DataFrame([row for _, row in ranked])


def digits_of(highest: float) -> int:
    return 4 if highest == 1 else 2


def varying_columns(table: pd.DataFrame, *columns: str) -> dict[str, "pd.Series[Any]"]:
    """The columns that tell rows apart, for display: none where all rows agree."""
    return {column.capitalize(): table[column] for column in columns if table[column].dropna().nunique() > 1}


def format_millions(value: float | None) -> str | None:
    if value is None or pd.isna(value):
        return None
    return f"{value / 1e6:.2f} M"


def format_number(value: float | None, digits: int, deviation: float | None = None) -> str | None:
    if value is None or pd.isna(value):
        return None
    return f"{value:.{digits}f}" + ("" if deviation is None or pd.isna(deviation) else f" ± {deviation:.{digits}f}")


def format_interval(row: "pd.Series[Any]", name: str, digits: int, sign: str = "") -> str | None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if pd.isna(low) else f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"


def format_p(value: float | None) -> str | None:
    if value is None or pd.isna(value):
        return None
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
