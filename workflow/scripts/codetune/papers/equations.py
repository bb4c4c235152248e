"""Claims in the paper's equations."""

from itertools import pairwise

from codetune.base.files import Row
from codetune.papers.levels import nf4_levels, uniform_levels
from codetune.papers.verdicts import PAPER, Claim, Verdict, exact


def check_scaling(paper: Row) -> Verdict:
    """Equation 2 against what LoRA is (Hu et al. 2022, section 4.1) and PEFT computes."""
    alpha, rank = paper["alpha"], paper["ranks"][0]
    claim = Claim(f"An adapter is scaled by alpha, at alpha = {alpha} and r = {rank}", "equation 2, section 3.5", alpha)
    return claim.against(
        f"{alpha / rank:g}",
        exact(alpha == alpha / rank),
        how="alpha / r (Hu et al. 2022, section 4.1; PEFT)",
        files=PAPER,
    )


def check_quantisation(paper: Row) -> Verdict:
    """Equation 3 against NF4, which section 3.3.3 names beside it."""
    nf4, uniform = nf4_levels(), uniform_levels(paper["bits"])
    apart = max(abs(one - other) for one, other in zip(nf4, uniform, strict=True))
    gaps = [high - low for low, high in pairwise(nf4)]
    claim = Claim("NF4 rounds as equation 3 does", "equation 3", f"levels {uniform[1] - uniform[0]:.3f} apart")
    levels = (
        "NF4's levels are quantiles of the normal distribution (Dettmers et al. 2023, section 3), scaled to [-1, 1]"
    )
    return claim.against(
        f"levels {min(gaps):.3f} to {max(gaps):.3f} apart; up to {apart:.2f} from equation 3's",
        exact(apart < 0.005),
        how=levels,
        files=PAPER,
    )
