"""Rule score."""

from typing import TYPE_CHECKING, Any

from codetune.jobs import job

if TYPE_CHECKING:
    snakemake: Any

with job(snakemake):
    from codetune.metrics import score_predictions

    score_predictions(**dict(snakemake.input.items()), **dict(snakemake.output.items()))
