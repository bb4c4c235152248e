"""Kinds of measures about a paper's equations."""

from itertools import pairwise

from codetune.papers.levels import nf4_levels, uniform_levels
from codetune.papers.measured import Declared, Measured

LEVELS = "NF4's levels are quantiles of the normal distribution (Dettmers et al. 2023, section 3), scaled to [-1, 1]"
APART = 0.005  # up to which two levels are one, as printed


def scaling(_declared: Declared, alpha: int, rank: int) -> Measured:
    """What LoRA scales an adapter by (Hu et al. 2022, section 4.1)."""
    return Measured([alpha / rank], f"{alpha / rank:g}", "alpha / r (Hu et al. 2022, section 4.1; PEFT)")


def levels_of_nf4(_declared: Declared, bits: int) -> Measured:
    """Whether the levels of NF4 are those of uniform rounding."""
    nf4, uniform = nf4_levels(), uniform_levels(bits)
    apart = max(abs(one - other) for one, other in zip(nf4, uniform, strict=True))
    gaps = [high - low for low, high in pairwise(nf4)]
    shown = f"levels {min(gaps):.3f} to {max(gaps):.3f} apart; up to {apart:.2f} from equation 3's"
    return Measured([apart < APART], shown, LEVELS)
