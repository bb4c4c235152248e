"""Numbers as the tables show them. Model cards show them, too, and so nothing here needs pandas."""

import math
from numbers import Real

from codetune.evaluation.comparisons import ALPHA


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


def format_whole(value: float | None) -> str | None:
    """A count, with a comma between thousands."""
    return None if is_unknown(value) else f"{value:,.0f}"


def format_percent(value: float | None) -> str | None:
    """A share in per cent: with two decimals, and three digits that say something where it is less than one."""
    if value is None or is_unknown(value):
        return None
    return f"{value:.2f}" if value >= 1 or value == 0 else f"{value:.{2 - math.floor(math.log10(value))}f}"


def format_millions(value: float | None) -> str | None:
    """A number of parameters: in millions, or in thousands (K) where it is less than one."""
    if value is None or is_unknown(value):
        return None
    if value < 1000:
        return f"{value:.0f}"
    return f"{value / 1e3:.2f} K" if round(value / 1e3, 2) < 1000 else f"{value / 1e6:,.2f} M"


def format_number(value: float | None, digits: int, deviation: float | None = None) -> str | None:
    """A score, with its standard deviation where there is one."""
    if is_unknown(value):
        return None
    return f"{value:z.{digits}f}" + ("" if is_unknown(deviation) else f" ± {deviation:.{digits}f}")


def format_signed(value: float | None, digits: int) -> str | None:
    """A difference with its sign; one that rounds to zero has none."""
    if is_unknown(value):
        return None
    text = f"{value:+z,.{digits}f}"
    return text if text.strip("+0.,") else text[1:]


def format_p(value: float | None) -> str | None:
    """A p-value; with more decimals where it else looked as if it were not above the level of the verdicts."""
    if value is None or is_unknown(value):
        return None
    if value < 0.001:
        return "< 0.001"
    texts = [f"{value:.{digits}f}" for digits in range(3, 10)]
    return next((text for text in texts if (float(text) > ALPHA) == (value > ALPHA)), texts[-1])


def mark_verdict(text: str | None, verdict: str | None) -> str | None:
    """A score with the sign of its verdict: + for better, - for worse."""
    mark = {"better": " +", "worse": " -"}.get(str(verdict), "")
    return None if text is None else text + mark


def is_unknown(value: float | None) -> bool:
    """Whether there is no number to show: none, NaN, or pandas' own value for what is missing."""
    return not isinstance(value, Real) or not math.isfinite(value)
