"""The levels that 4-bit weights are rounded to."""

from statistics import NormalDist


def nf4_levels() -> list[float]:
    """The 16 levels of 4-bit NormalFloat, ascending, in [-1, 1].

    Quantiles of the normal distribution, eight above zero and seven below, and zero itself (Dettmers et al. 2023,
    section 3, equation 4; bitsandbytes, `create_normal_map`).
    """
    outermost = 1 - (1 / 32 + 1 / 30) / 2

    def quantiles(count: int) -> list[float]:
        step = (outermost - 0.5) / count
        return [NormalDist().inv_cdf(outermost - place * step) for place in range(count)]

    levels = sorted([*quantiles(8), 0.0, *(-value for value in quantiles(7))])
    return [level / max(levels) for level in levels]


def uniform_levels(bits: int) -> list[float]:
    """The levels of min-max rounding (equation 3) on weights from -1 to 1."""
    last = 2**bits - 1
    return [2 * place / last - 1 for place in range(last + 1)]
