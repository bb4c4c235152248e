"""Numbers as a paper prints them."""

import math

from codetune.study.declared import NUMBER

UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}


def parse_printed(printed: object) -> tuple[float, float]:
    """A printed number such as 11.3M, and half a unit of its last digit."""
    match = NUMBER.fullmatch(str(printed))
    if match is None:
        raise ValueError(f"not a printed number: {printed}")
    whole, decimals, unit = match[1], match[2] or "", UNITS[match[3]]
    return float(f"{whole}.{decimals}0") * unit, 0.5 * unit / 10 ** len(decimals)


def rounds_to(printed: object, computed: float) -> bool:
    """Whether a computed value, rounded as the paper rounds it, is what the paper prints."""
    value, half = parse_printed(printed)
    return math.isfinite(computed) and abs(computed - value) <= half * (1 + 1e-9)


def is_printed_as(printed: object, computed: float) -> bool:
    """Whether a computed value is what the paper prints, rounded or cut off after the last digit."""
    value, half = parse_printed(printed)
    return rounds_to(printed, computed) or 0 <= computed - value < 2 * half


def format_size(value: float) -> str:
    """A number of parameters: in billions from 0.1 billion on, in thousands (K) below a million, else in millions."""
    size, unit = (1e9, "B") if value >= 1e8 else (1e6, "M") if round(value / 1e3, 2) >= 1000 else (1e3, "K")
    return f"{value / size:.2f} {unit}"


def format_seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def table_name(table: str) -> str:
    return table.replace("table", "Table ")


def format_range(numbers: range) -> str:
    return f"{numbers[0]:,} to {numbers[-1]:,}" if numbers else "none"
