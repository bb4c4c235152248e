"""Kinds of measures on the checkpoints of this study, from their config.json. Models that were not run have no row."""

from pathlib import Path

from codetune.models.shapes import lora_parameters, parameters, read_config
from codetune.papers.evidence import NOT_RUN, OTHER_LAYERS
from codetune.papers.measured import Declared, Measured
from codetune.papers.printed import format_size, parse_printed


def _totals(declared: Declared, model: str) -> dict[str, int]:
    config = declared.evidence.models[model].config
    return parameters(read_config(Path(config).parent, "vocab_size"))


def size_of_checkpoint(declared: Declared, model: str) -> Measured | None:
    """The parameters of a model's checkpoint."""
    if model not in declared.evidence.models:
        return None
    found = _totals(declared, model)
    total = sum(found.values())
    return Measured(
        [total],
        f"{format_size(total)}; {format_size(found['layers'])} without the embedding",
        "embedding and projections; norms and biases, under 0.1 %, left out",
        [declared.evidence.models[model].config],
        declared.evidence.obstacle([model]),
    )


def all_smaller(declared: Declared, models: list[str], limit: str) -> Measured | None:
    """Whether all checkpoints are smaller than a limit.

    One that is not decides the claim; that none is does so only where all of them are here.
    """
    here = {name: one for name, one in declared.evidence.models.items() if name in models}
    if not here:
        return None
    totals = {name: sum(_totals(declared, name).values()) for name in here}
    above = [
        f"{here[name].label} {format_size(total)}" for name, total in totals.items() if total >= parse_printed(limit)[0]
    ]
    missing = "" if above or len(here) == len(models) else NOT_RUN
    return Measured(
        [not above],
        f"not below: {', '.join(above)}" if above else "all below",
        "as above",
        [one.config for one in here.values()],
        declared.evidence.obstacle(here) or missing,
    )


def context_of_checkpoint(declared: Declared, model: str, tokens: int) -> Measured | None:
    """Whether a model was made for inputs of this length."""
    if model not in declared.evidence.models:
        return None
    config = declared.evidence.models[model].config
    found = read_config(Path(config).parent, "max_position_embeddings")["max_position_embeddings"]
    obstacle = declared.evidence.obstacle([model])
    return Measured([found >= tokens], f"{found:,}", "max_position_embeddings", [config], obstacle)


def lora_of_checkpoint(declared: Declared, model: str, rank: int, targets: list[str]) -> Measured | None:
    """The parameters that LoRA of a rank trains of a model's checkpoint."""
    if model not in declared.evidence.models:
        return None
    config = declared.evidence.models[model].config
    count = lora_parameters(read_config(Path(config).parent), rank, targets)
    return Measured(
        [] if count is None else [count],
        "-" if count is None else format_size(count),
        "r (inputs + outputs) of all seven projections of all layers",
        [config],
        declared.evidence.obstacle([model]) or (OTHER_LAYERS if count is None else ""),
    )
